"""ITI-38 Cross Gateway Query: stored queries and their answers. Body child only.

Not the envelope, not the rows: rows are in `entry_write` and `entry_read`, what parameters mean in
`query_parameters`, how they are spelt in `stored_queries`. Clauses: ITI TF-2 3.38.4 and 3.18.4;
schema query.xsd.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain import (
    CommunityId,
    DocumentLookup,
    DocumentQuery,
    ExchangeError,
    InvalidIdentifier,
    Outcome,
    Refusal,
    ReturnType,
    Transaction,
    refuse,
)
from gateway.wire.problems import DecodeError
from gateway.wire.soap.entry_read import Row, read_object_list
from gateway.wire.soap.entry_write import write_object_list
from gateway.wire.soap.query_parameters import read_find, read_lookup, write_slots
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.soap.registry_errors import (
    REGISTRY_RESPONSE,
    ResponseStatus,
    issue_of,
    judge,
    read_issues,
    status_of,
    write_error_list,
)
from gateway.wire.soap.stored_queries import QUERIES, Family, read_parameters
from gateway.wire.xml import QUERY, RIM, RS, Element, name_of, path_of, quoted

REQUEST_ACTION = "urn:ihe:iti:2007:CrossGatewayQuery"
RESPONSE_ACTION = "urn:ihe:iti:2007:CrossGatewayQueryResponse"

_REQUEST = f"{{{QUERY}}}AdhocQueryRequest"
_RESPONSE = f"{{{QUERY}}}AdhocQueryResponse"
_OPTION = f"{{{QUERY}}}ResponseOption"
_ADHOC_QUERY = f"{{{RIM}}}AdhocQuery"
_OBJECT_LIST = f"{{{RIM}}}RegistryObjectList"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedQuery:
    """A question as it came: what it asks, by which stored query, and what nobody will apply.

    `ignored` are parameter names to be logged. `asks_nothing` marks a known query for folders or
    submission sets: `query` is then a lookup of nothing, and the answer is an empty success.
    """

    query: DocumentQuery | DocumentLookup
    query_id: str
    ignored: tuple[str, ...] = ()
    asks_nothing: bool = False


# --- asking ---------------------------------------------------------------------------------------


def encode_request(query: DocumentQuery | DocumentLookup) -> bytes:
    """The question as an AdhocQueryRequest, with the home attribute when the community is known.

    The stored query follows from what is asked. `EncodeError` for a value longer than the schema
    allows and for a lookup of nothing.
    """
    query_id, slots = write_slots(query)
    home = f' home="{query.community.urn}"' if query.community else ""
    return (
        f'<query:AdhocQueryRequest xmlns:query="{QUERY}" xmlns:rim="{RIM}">'
        f'<query:ResponseOption returnType="{query.return_type}" returnComposedObjects="true"/>'
        f'<rim:AdhocQuery id="{query_id}"{home}>{"".join(slots)}</rim:AdhocQuery>'
        "</query:AdhocQueryRequest>"
    ).encode()


# --- reading what is asked ------------------------------------------------------------------------


def _return_type(body: Element) -> ReturnType:
    option = body.find(_OPTION)
    text = (option.get("returnType") or "").strip() if option is not None else ""
    if not text:
        return ReturnType.LEAF_CLASS
    try:
        return ReturnType(text)
    except ValueError:
        raise refuse(
            Refusal.UNSUPPORTED,
            f"returnType {quoted(text)!r}, expected LeafClass or ObjectRef",
            subject="returnType",
        ) from None


def _home(query: Element) -> CommunityId | None:
    text = (query.get("home") or "").strip()
    if not text:
        return None
    try:
        return CommunityId.parse(text)
    except InvalidIdentifier as error:
        raise refuse(Refusal.UNKNOWN_COMMUNITY, f"home: {error}", subject="home") from None


def decode_request(body: Element, *, answering: CommunityId | None = None) -> DecodedQuery:
    """What an AdhocQueryRequest asks.

    Raises `DecodeError` for another message, and `ExchangeError` for a query that is unknown or
    whose parameters are missing, miscounted or no such values. `answering` is the community of
    this gateway, used for a query for folders by patient that names no home.
    """
    if body.tag != _REQUEST:
        raise DecodeError(path_of(body), name_of(body), "query:AdhocQueryRequest")
    element = body.find(_ADHOC_QUERY)
    if element is None:
        raise DecodeError(path_of(body), "no rim:AdhocQuery", "one", "query.xsd")
    query_id = (element.get("id") or "").strip().lower()
    if query_id and not query_id.startswith("urn:uuid:"):
        query_id = f"urn:uuid:{query_id}"
    definition = QUERIES.get(query_id)
    if definition is None:
        raise refuse(
            Refusal.UNKNOWN_QUERY, f"stored query {quoted(query_id)!r}", subject=query_id[:64]
        )
    return_type = _return_type(body)
    home = _home(element)
    if home is None and not definition.carries_patient:
        raise refuse(
            Refusal.MISSING_COMMUNITY, f"{definition.name} needs the home attribute", subject="home"
        )
    parameters = read_parameters(element, definition)
    query: DocumentQuery | DocumentLookup
    if definition.family is Family.FIND:
        query = read_find(definition, parameters, home, return_type)
    else:
        community = home or answering
        if community is None:
            raise refuse(
                Refusal.MISSING_COMMUNITY, f"{definition.name} without home", subject="home"
            )
        if definition.family is Family.LOOK_UP:
            query = read_lookup(definition, parameters, community, return_type)
        else:
            query = DocumentLookup(community=community, entries=False, return_type=return_type)
    return DecodedQuery(
        query=query,
        query_id=query_id,
        ignored=parameters.ignored,
        asks_nothing=definition.family is Family.NOTHING,
    )


# --- answering ------------------------------------------------------------------------------------


def _write(status: ResponseStatus, errors: str, objects: str) -> bytes:
    return (
        f'<query:AdhocQueryResponse xmlns:query="{QUERY}" xmlns:rim="{RIM}" xmlns:rs="{RS}"'
        f' status="{status}">{errors}{objects}</query:AdhocQueryResponse>'
    ).encode()


def encode_response(
    outcome: Outcome[Row],
    *,
    return_type: ReturnType = ReturnType.LEAF_CLASS,
    responder: CommunityId,
    style: ErrorStyle,
) -> bytes:
    """The answer. Its status follows from items and issues; every object names its community."""
    errors = write_error_list(
        outcome.issues, transaction=Transaction.FIND, responder=responder, style=style
    )
    objects = write_object_list(outcome.items, refs_only=return_type is ReturnType.OBJECT_REF)
    return _write(status_of(bool(outcome.items), outcome.issues), errors, objects)


def encode_refusal(
    error: ExchangeError,
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction = Transaction.FIND,
) -> bytes:
    """The answer that refuses everything; having no documents is a success with a warning."""
    issue = issue_of(error)
    errors = write_error_list((issue,), transaction=transaction, responder=responder, style=style)
    return _write(status_of(False, (issue,)), errors, write_object_list((), refs_only=True))


def decode_response(body: Element, *, default_home: CommunityId | None = None) -> Outcome[Row]:
    """The rows of an answer and what is to be said about them and about the whole.

    `default_home` is the community that was asked, taken with a warning for a row that does not
    name its own; without it such a row is an error issue. Raises the peer's refusal as an
    `ExchangeError` when it failed and sent no row; a bare RegistryResponse in place of the whole,
    and a list left out, are read too.
    """
    if body.tag not in (_RESPONSE, REGISTRY_RESPONSE):
        raise DecodeError(path_of(body), name_of(body), "query:AdhocQueryResponse")
    issues = read_issues(body, Transaction.FIND)
    rows: tuple[Row, ...] = ()
    for listed in body.iterchildren(_OBJECT_LIST):
        found, about = read_object_list(listed, default_home=default_home)
        rows += found
        issues += about
    return judge(body.get("status", ""), rows, issues)
