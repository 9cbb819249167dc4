"""What a viewer is asked to show: the parameters of Invoke Image Display, in a query or as JSON.

The names and values are those of IHE RAD IID (RAD-106). The same members in a JSON object are the
body of a request for a viewer session, our own way to open a viewer: it keeps the access token in
a header and gives the browser an address of its own. Which studies are meant is said by their
UIDs, or by accession numbers, or by a patient; who may see them is decided elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from gateway.domain import (
    BadRequest,
    Code,
    CommunityId,
    InvalidIdentifier,
    InvalidTime,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    StudyQuery,
    TimeRange,
    Timestamp,
    Uid,
    ViewerLink,
    refuse,
)
from gateway.domain.codes import DCM
from gateway.wire.dicom.web import allowed_origin, query_parameters
from gateway.wire.problems import DecodeError

PATH: Final = "/IHEInvokeImageDisplay"
SESSIONS: Final = "/viewer-sessions"
STUDY, PATIENT = "STUDY", "PATIENT"
MAX_NAMED: Final = 64  # studies or accession numbers in one request; a page shows one
MAX_MOST_RECENT: Final = 1000
MAX_BODY: Final = 16 * 1024
MAX_URL: Final = 4096

_RULE: Final = "IHE RAD TF-2 4.106"
_VIEWER_TYPE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MODALITY: Final = re.compile(r"[A-Z0-9_]{1,16}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,260}(?=[/?#]|$)")
_UNPLAIN: Final = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\\"<>^`{|}]")
_OF_STUDY: Final = frozenset({"studyUID", "accessionNumber"})
_OF_PATIENT: Final = frozenset(
    [
        "patientID",
        "patientName",
        "patientBirthDate",
        "lowerDateTime",
        "upperDateTime",
        "mostRecentResults",
        "modalitiesInStudy",
    ]
)
_KNOWN: Final = (
    _OF_STUDY
    | _OF_PATIENT
    | {"requestType", "viewerType", "diagnosticQuality", "keyImagesOnly", "additionalParameters"}
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayRequest:
    """Which studies are to be shown, and how.

    Either `studies`, or `accessions`, or `patient` says which; the rest narrows those of a
    patient. `birth_date` is to be the patient's, where it is known.
    """

    studies: tuple[Uid, ...] = ()
    accessions: tuple[str, ...] = ()
    patient: PatientId | None = None
    birth_date: date | None = None
    performed: TimeRange = TimeRange()
    modalities: tuple[str, ...] = ()
    most_recent: int | None = None
    key_images_only: bool = False

    def query(self, community: CommunityId) -> StudyQuery:
        """The search that finds what is meant."""
        return StudyQuery(
            community=community,
            patient=self.patient,
            studies=self.studies,
            accessions=tuple(
                ReferenceId(value=value, kind=ReferenceKind.ACCESSION) for value in self.accessions
            ),
            modalities=tuple(Code(value, DCM) for value in self.modalities),
            performed=self.performed,
            limit=self.most_recent,
        )


def parse_query(query: str) -> DisplayRequest:
    """What a raw query string asks for; parameters of others are not looked at.

    Raises `DecodeError` for values that are none, and refuses what is missing, given twice, or
    not offered: what is shown here is not of diagnostic quality.
    """
    given: dict[str, str] = {}
    for name, value in query_parameters(query):
        if name in given:
            raise DecodeError(f"query, {name[:80]}", "two values", "one", _RULE)
        if name in _KNOWN:
            given[name] = value.strip(" ")
    return _request(given, "query")


def decode_session(body: bytes) -> DisplayRequest:
    """What the body of a request for a viewer session asks for; raises as `parse_query`."""
    members = _object(body, "body")
    given = {}
    for name, value in members.items():
        if name not in _KNOWN:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, int):
            value = str(value)
        if not isinstance(value, str):
            raise DecodeError(f"body, {name}", type(value).__name__, "a string", _RULE)
        given[name] = value.strip(" ")
    return _request(given, "body")


def encode_session(study: Uid, *, key_images_only: bool = False) -> bytes:
    """The body of a request for a viewer session that shows one study."""
    asked = {"requestType": STUDY, "studyUID": str(study)}
    if key_images_only:
        asked["keyImagesOnly"] = "true"
    return json.dumps(asked).encode("ascii")


def write_query(study: Uid, *, key_images_only: bool = False) -> str:
    """The same as a raw query string, without a question mark."""
    flag = "&keyImagesOnly=true" if key_images_only else ""
    return f"requestType={STUDY}&studyUID={quote(study, safe='')}{flag}"


def encode_opened(link: ViewerLink) -> bytes:
    """The body of the answer: where the browser is to go, and until when."""
    told = {"url": link.url}
    if link.expires is not None:
        told["expires"] = link.expires.astimezone(UTC).isoformat()
    return json.dumps(told).encode("ascii")


def decode_opened(location: str, body: bytes) -> ViewerLink:
    """The link in an answer: where its Location says, and until when its body does.

    A body that says nothing of a time is none to fail for; `DecodeError` where there is no
    address, or a time that is none.
    """
    if not location:
        raise DecodeError("answer", "no Location", "the address of a viewer", "RFC 9110, 15.3.2")
    try:
        expires = _object(body, "answer").get("expires")
    except DecodeError:
        expires = None
    if expires is None:
        return ViewerLink(location)
    try:
        at = datetime.fromisoformat(str(expires))
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise DecodeError("answer, expires", repr(expires)[:80], "a moment with its zone")
    return ViewerLink(location, at)


def without_secret(url: str) -> str:
    """Where a link leads to, as records tell it: without what makes it open something."""
    origin = _ORIGIN.match(url)
    return f"{origin[0]}/(redacted)" if origin else "(redacted)"


def viewer_address(url: str, *, own: Collection[str], allowed: Collection[str]) -> str:
    """An address a peer gave, if a browser may be sent there; else `PEER_MISBEHAVED`.

    `own` are URLs of the peer's: https on any port of their hosts is allowed. `allowed` lists
    further hosts and origins, as `web.resolve_base` reads them; such an origin alone allows http.
    """
    own_hosts = {urlsplit(each).hostname for each in own if each}
    try:
        if len(url) > MAX_URL or _UNPLAIN.search(url):
            raise ValueError
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _not_there("an address that is none") from None
    if not host or "@" in parts.netloc or parts.scheme not in ("https", "http"):
        raise _not_there("an address that is no plain https://host/path")
    is_own = parts.scheme == "https" and host in own_hosts
    if not is_own and not allowed_origin(parts.scheme, host, port, allowed):
        raise _not_there(f"{parts.scheme}://{host[:200]}, which is not among its hosts")
    return url


def _not_there(what: str) -> Exception:
    text = f"the viewer is said to be at {what}"
    return refuse(Refusal.PEER_MISBEHAVED, text, subject="viewer")


# --- parameters ----------------------------------------------------------------------------------


def _request(given: Mapping[str, str], where: str) -> DisplayRequest:
    kind = given.get("requestType", "")
    if not kind:
        raise _missing("requestType", where)
    if kind not in (STUDY, PATIENT):
        text = f"requestType {kind[:40]!r} is not offered; {STUDY} and {PATIENT} are"
        raise BadRequest(Refusal.UNSUPPORTED, text, subject=f"{where}, requestType")
    _check_how(given, where)
    own, others = (_OF_STUDY, _OF_PATIENT) if kind == STUDY else (_OF_PATIENT, _OF_STUDY)
    if mixed := sorted(others & given.keys()):
        found = f"{', '.join(mixed)} beside requestType={kind}"
        raise DecodeError(where, found, ", ".join(sorted(own)), _RULE)
    read = _of_study if kind == STUDY else _of_patient
    return read(given, where)


def _check_how(given: Mapping[str, str], where: str) -> None:
    if "viewerType" in given and not _VIEWER_TYPE.fullmatch(given["viewerType"]):
        found = repr(given["viewerType"][:80])
        raise DecodeError(f"{where}, viewerType", found, "a code such as IHE_BIR", _RULE)
    if _flag(given, "diagnosticQuality", where):
        text = "the pictures shown here are rendered, and not of diagnostic quality"
        raise BadRequest(Refusal.UNSUPPORTED, text, subject=f"{where}, diagnosticQuality")


def _of_study(given: Mapping[str, str], where: str) -> DisplayRequest:
    named = [name for name in ("studyUID", "accessionNumber") if given.get(name)]
    if not named:
        raise _missing("studyUID or accessionNumber", where)
    if len(named) > 1:
        raise DecodeError(where, "studyUID and accessionNumber", "one of the two", _RULE)
    values = _list(given, named[0], where)
    is_study = named[0] == "studyUID"
    return DisplayRequest(
        studies=tuple(_parsed(Uid, each, f"{where}, studyUID") for each in values)
        if is_study
        else (),
        accessions=() if is_study else tuple(_accession(each, where) for each in values),
        key_images_only=_flag(given, "keyImagesOnly", where),
    )


def _of_patient(given: Mapping[str, str], where: str) -> DisplayRequest:
    if not given.get("patientID"):
        raise _missing("patientID", where)
    modalities = _list(given, "modalitiesInStudy", where)
    for each in modalities:
        if not _MODALITY.fullmatch(each):
            place = f"{where}, modalitiesInStudy"
            raise DecodeError(place, repr(each[:40]), "modalities such as CT", _RULE)
    birth = given.get("patientBirthDate", "")
    return DisplayRequest(
        patient=_parsed(PatientId.parse_cx, given["patientID"], f"{where}, patientID"),
        birth_date=_moment(birth, f"{where}, patientBirthDate").date() if birth else None,
        performed=TimeRange(
            start=_bound(given, "lowerDateTime", where),
            end=_bound(given, "upperDateTime", where, end=True),
        ),
        modalities=modalities,
        most_recent=_count(given, where),
        key_images_only=_flag(given, "keyImagesOnly", where),
    )


def _missing(name: str, where: str) -> BadRequest:
    return BadRequest(Refusal.MISSING_PARAMETER, f"{name} is missing", subject=where)


def _list(given: Mapping[str, str], name: str, where: str) -> tuple[str, ...]:
    text = given.get(name, "")
    found = tuple(dict.fromkeys(part.strip(" ") for part in text.split(","))) if text else ()
    if len(found) > MAX_NAMED or not all(found):
        raise DecodeError(
            f"{where}, {name}",
            "an empty value" if len(found) <= MAX_NAMED else f"{len(found)} values",
            f"at most {MAX_NAMED} values, separated by commas",
            _RULE,
        )
    return found


def _flag(given: Mapping[str, str], name: str, where: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        raise DecodeError(f"{where}, {name}", repr(text[:40]), "true or false", _RULE)
    return text == "true"


def _count(given: Mapping[str, str], where: str) -> int | None:
    text = given.get("mostRecentResults")
    if text is None:
        return None
    digits = text.isascii() and text.isdigit() and len(text) <= 9
    if not digits or not 0 < int(text) <= MAX_MOST_RECENT:
        expected = f"a number from 1 to {MAX_MOST_RECENT}"
        raise DecodeError(f"{where}, mostRecentResults", repr(text[:40]), expected, _RULE)
    return int(text)


def _accession(text: str, where: str) -> str:
    _parsed(
        lambda value: ReferenceId(value=value, kind=ReferenceKind.ACCESSION),
        text,
        f"{where}, accessionNumber",
    )
    return text


def _bound(
    given: Mapping[str, str], name: str, where: str, *, end: bool = False
) -> datetime | None:
    """The moment of a bound; a day as an upper bound is inside."""
    text = given.get(name, "")
    if not text:
        return None
    at = _moment(text, f"{where}, {name}")
    is_day = len(text) in (8, 10) and "T" not in text
    return at + timedelta(days=1) if end and is_day else at


def _moment(text: str, where: str) -> datetime:
    """A moment by XML, or by DICOM; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text) if "-" in text[:8] else Timestamp.parse(text).at
    except (ValueError, InvalidTime):
        raise DecodeError(where, repr(text[:40]), "a date, or a date and time", _RULE) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _parsed(parse: Callable[[str], T], text: str, where: str) -> T:
    try:
        return parse(text)
    except InvalidIdentifier as error:
        raise DecodeError(where, repr(error.found), error.expected, _RULE) from None


def _object(body: bytes, where: str) -> Mapping[str, Any]:
    if len(body) > MAX_BODY:
        raise DecodeError(where, f"{len(body)} bytes", f"at most {MAX_BODY}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise DecodeError(where, "what is no JSON", "an object", "RFC 8259") from None
    if not isinstance(found, dict):
        raise DecodeError(where, type(found).__name__, "an object", "RFC 8259")
    return found
