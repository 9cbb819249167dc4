"""Messages of ITI-55 for tests: what both countries send, and ways to spoil them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.domain import (
    Address,
    CommunityId,
    ExchangeError,
    Gender,
    HumanName,
    Oid,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    Refusal,
    refuse,
)
from gateway.wire.soap import xcpd
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import HL7, Element, parse_xml

GOLDEN = Path(__file__).parent / "wire" / "iti55"
A, B = CommunityId("2.999.1.1"), CommunityId("2.999.2.1")
NATIONAL, CARD = Oid("2.999.1.2"), Oid("2.999.1.3")
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
QUERY_ID = "urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d83"
ANSWER_ID = "urn:uuid:0a2d7d0a-3f4e-4c57-9a36-0c2e9d3b5b11"

BY_ID = PatientTraits(
    ids=(PatientId("A-0001", NATIONAL),), address=Address(country="XA"), minimum_match=75
)
BY_NAME = PatientTraits(
    name=HumanName(family="Nõmme & Söhne", given=("Zoë", "Åsa"), prefix="Dr.", suffix="<PhD>"),
    birth_date=date(1980, 1, 2),
    gender=Gender.FEMALE,
    address=Address(
        street='Rue de l\'Église 1, "B"', city="Gent", postal_code="9000", country="XA"
    ),
    telecom=("tel:+32-9-000-0000", "mailto:zoe@example.org"),
    birth_place="Αθήνα",
    mothers_maiden_name="Петрова",
)
IDENTITY = PatientIdentity(
    id=PatientId("A-0001", NATIONAL),
    community=A,
    names=(HumanName(family="Παπαδοπούλου", given=("Ελένη", "Μαρία")), HumanName(family="O'Néill")),
    birth_date=date(1980, 1, 2),
    gender=Gender.FEMALE,
    address=Address(street="Kerkstraat 1", city="Gent", postal_code="9000", country="XA"),
    telecom=("tel:+32-9-000-0000",),
    other_ids=(PatientId("C-77", CARD),),
    match_degree=97,
)
OTHER = PatientIdentity(
    id=PatientId("A-0002", NATIONAL),
    community=A,
    names=(HumanName(family="Шевченко", given=("Олена",)),),
    match_degree=80,
)
FOUND: Outcome[PatientIdentity] = Outcome(items=(IDENTITY,))
SEVERAL: Outcome[PatientIdentity] = Outcome(items=(IDENTITY, OTHER))
NOBODY: Outcome[PatientIdentity] = Outcome()


def ask(traits: PatientTraits = BY_ID) -> bytes:
    """The request of Country B for these traits."""
    return xcpd.encode_request(
        traits, message_id=QUERY_ID, created=NOON, sender=B, receiver=A, device_id=Oid("2.999.2.9")
    )


def asked(traits: PatientTraits = BY_ID) -> xcpd.DiscoveryRequest:
    """That request as Country A reads it."""
    return xcpd.decode_request(parse_xml(ask(traits)))


def answer(
    outcome: Outcome[PatientIdentity], style: ErrorStyle, traits: PatientTraits = BY_ID
) -> bytes:
    """The answer of Country A."""
    return xcpd.encode_response(
        outcome, asked(traits), message_id=ANSWER_ID, created=NOON, responder=A, style=style
    )


def refusal(
    error: ExchangeError, style: ErrorStyle, request: xcpd.DiscoveryRequest | None
) -> bytes:
    """The refusal of Country A."""
    return xcpd.encode_refusal(
        error, request, message_id=ANSWER_ID, created=NOON, responder=A, style=style
    )


def deferred() -> bytes:
    """The acknowledgement that refuses to answer later."""
    return xcpd.encode_deferred_refusal(asked(), message_id=ANSWER_ID, created=NOON, responder=A)


def first(root: Element, path: str) -> Element:
    """The first element of a path of HL7 v3 names."""
    found = root.find("/".join(f"{{{HL7}}}{name}" for name in path.split("/")))
    assert found is not None, path
    return found


NO_CONSENT = refuse(Refusal.NO_CONSENT, "The patient did not consent.")
MORE = refuse(Refusal.MORE_TRAITS_NEEDED, "Please add the address.", subject="address,telecom")
BUSY = refuse(Refusal.BUSY, "Too many requests.")

MESSAGES: dict[str, Callable[[], bytes]] = {
    "request-by-id": lambda: ask(BY_ID),
    "request-by-name": lambda: ask(BY_NAME),
    "deferred-refusal": deferred,
}
for _style in ErrorStyle:
    MESSAGES |= {
        f"response-match-{_style}": lambda s=_style: answer(FOUND, s),
        f"response-several-{_style}": lambda s=_style: answer(SEVERAL, s, BY_NAME),
        f"response-nobody-{_style}": lambda s=_style: answer(NOBODY, s),
        f"response-more-traits-{_style}": lambda s=_style: refusal(MORE, s, asked()),
        f"response-no-consent-{_style}": lambda s=_style: refusal(NO_CONSENT, s, asked()),
        f"response-busy-{_style}": lambda s=_style: refusal(BUSY, s, asked()),
        f"response-unread-{_style}": lambda s=_style: refusal(
            refuse(Refusal.MALFORMED_REQUEST, "no id", subject="/hl7:PRPA_IN201305UV02"), s, None
        ),
    }

LIST = "controlActProcess/queryByParameter/parameterList"
SUBJECT = "controlActProcess/subject/registrationEvent"


def golden(name: str) -> Element:
    """A golden file, parsed."""
    return parse_xml((GOLDEN / f"{name}.xml").read_bytes())


def remove(path: str) -> Callable[[Element], None]:
    """An edit that takes an element out."""

    def edit(root: Element) -> None:
        found = first(root, path)
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)

    return edit


def change(path: str, **attributes: str) -> Callable[[Element], None]:
    """An edit that sets attributes of an element."""
    return lambda root: first(root, path).attrib.update(attributes)


def mutate(data: bytes, seed: int) -> bytes:
    """A message with a few pieces of it dropped, doubled, swapped or made absurd."""
    dice = random.Random(seed)
    root = etree.fromstring(data)
    for _ in range(dice.randint(1, 4)):
        elements = list(root.iter())
        element = dice.choice(elements)
        parent = element.getparent()
        kind = dice.randrange(6)
        if kind == 0 and parent is not None:
            parent.remove(element)
        elif kind == 1 and parent is not None:
            parent.append(etree.fromstring(etree.tostring(element, with_tail=False)))
        elif kind == 2 and element.attrib:
            name = dice.choice(list(element.attrib))
            element.set(
                name, dice.choice(["", "0", "-1", "9" * 400, "^&~\\", "\u202e", "AE", "NF"])
            )
        elif kind == 3 and element.attrib:
            del element.attrib[dice.choice(list(element.attrib))]
        elif kind == 4:
            element.text = dice.choice(["", "x" * 3000, "\u0000".strip("\0"), "🂡", " \n "])
        else:
            element.tag = dice.choice(elements).tag
    return etree.tostring(root)


WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp")), min_size=1, max_size=20
)
VALUES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp"), exclude_characters="^&"),
    min_size=1,
    max_size=20,
)
NAMES = st.builds(
    HumanName,
    family=WORDS,
    given=st.lists(WORDS, max_size=3).map(tuple),
    prefix=WORDS | st.just(""),
    suffix=WORDS | st.just(""),
)
ADDRESSES = st.builds(
    Address, street=WORDS, city=WORDS | st.just(""), postal_code=WORDS, country=WORDS
)
IDS = st.builds(PatientId, VALUES, st.sampled_from([NATIONAL, CARD, Oid("0.2.216.1")]))
DATES = st.dates(min_value=date(1, 1, 1))
TRAITS = st.builds(
    PatientTraits,
    ids=st.lists(IDS, min_size=1, max_size=4, unique=True).map(tuple),
    name=st.none() | NAMES,
    birth_date=st.none() | DATES,
    gender=st.none() | st.sampled_from(Gender),
    address=st.none() | ADDRESSES,
    telecom=st.lists(WORDS, max_size=3).map(tuple),
    birth_place=WORDS | st.just(""),
    mothers_maiden_name=WORDS | st.just(""),
    minimum_match=st.none() | st.integers(0, 100),
)
IDENTITIES = st.builds(
    PatientIdentity,
    id=IDS,
    community=st.just(A),
    names=st.lists(NAMES, max_size=2).map(tuple),
    birth_date=st.none() | DATES,
    gender=st.none() | st.sampled_from(Gender),
    address=st.none() | ADDRESSES,
    telecom=st.lists(WORDS, max_size=2).map(tuple),
    match_degree=st.integers(0, 100),
)
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
