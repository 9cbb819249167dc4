"""People as hypothesis makes them up: traits and identities that both wires can carry."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from gateway.domain import (
    Address,
    CommunityId,
    Gender,
    HumanName,
    Oid,
    PatientId,
    PatientIdentity,
    PatientTraits,
)

A = CommunityId("2.999.1.1")
NATIONAL = Oid("2.999.1.2")

# Words with all that a query string has to escape; one space between them at most.
_LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
words = st.text(_LETTERS, min_size=1, max_size=12)
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)
maybe = texts | st.just("")
oids = st.lists(st.integers(0, 999), min_size=1, max_size=4).map(
    lambda arcs: Oid("2.999." + ".".join(map(str, arcs)))
)
patient_ids = st.builds(
    PatientId, words.filter(lambda value: "^" not in value and "&" not in value), oids
)
ids = st.lists(patient_ids, max_size=3, unique=True).map(tuple)
days = st.dates(date(1850, 1, 1), date(2100, 12, 31))
genders = st.none() | st.sampled_from(Gender)
addresses = st.none() | st.builds(
    Address, street=maybe, city=maybe, postal_code=maybe, country=maybe
).filter(lambda address: address != Address())
telecoms = st.lists(
    st.sampled_from(
        ["tel:+32-9-000-0000", "mailto:zoe@example.org", "fax:+32 9 1", "https://example.org/x,y"]
    ),
    max_size=3,
    unique=True,
).map(tuple)
givens = st.lists(texts, max_size=3).map(tuple)
plain_names = st.builds(HumanName, family=texts, given=givens)
names = st.builds(HumanName, family=texts, given=givens, prefix=maybe, suffix=maybe)

traits = st.builds(
    PatientTraits,
    ids=ids,
    name=st.none() | plain_names,
    birth_date=st.none() | days,
    gender=genders,
    address=addresses,
    telecom=telecoms,
    mothers_maiden_name=maybe,
).filter(lambda each: each not in (PatientTraits(), PatientTraits(gender=each.gender)))

identities = st.builds(
    PatientIdentity,
    id=patient_ids,
    community=st.just(A),
    names=st.lists(names, max_size=3).map(tuple),
    birth_date=st.none() | days,
    gender=genders,
    address=addresses,
    telecom=telecoms,
    other_ids=ids,
    match_degree=st.integers(0, 100),
).filter(lambda each: each.id not in each.other_ids)
