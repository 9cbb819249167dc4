"""Entry to DocumentReference and back: all that both can hold comes through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import (
    Author,
    Code,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    EntryStatus,
    HumanName,
    Organisation,
    Precision,
    ReferenceId,
    ReferenceKind,
    Timestamp,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    CONFIDENTIALITY,
    DCM,
    EHDSI_IMAGES,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    FORMAT_PDF,
    IHE_FORMAT,
    LOINC,
    SCT,
    TYPE_REPORT,
    TYPE_STUDY,
)
from gateway.wire.fhir.document_reference_read import read_document_reference
from gateway.wire.fhir.resources import Format, read_resource, validated, write_resource
from tests.builders import COUNTRY_A, COUNTRY_B, make_entry
from tests.wire.fhir.people import maybe, oids, patient_ids, texts, words
from tests.wire.fhir.rows import REPOSITORY, as_fhir_holds, written

codes = st.builds(Code, words, st.sampled_from((SCT, LOINC, DCM, IHE_FORMAT)) | oids, maybe)
given_names = st.lists(words, min_size=1, max_size=3).map(tuple)
names = st.builds(HumanName, family=words, given=given_names, prefix=maybe, suffix=maybe)
# The one form of an organisation's id that both sides write alike.
organisations = st.builds(Organisation, name=texts, id=words, authority=oids) | st.builds(
    Organisation, name=texts, authority=oids
)
telecom = st.lists(words.map(lambda word: f"mailto:{word}@a.example"), max_size=1).map(tuple)
people = st.builds(
    Author,
    name=names,
    id=words,
    id_authority=oids,
    institutions=st.lists(organisations, max_size=2, unique=True).map(tuple),
    roles=st.lists(texts, max_size=2, unique=True).map(tuple),
    specialities=st.lists(texts, max_size=2, unique=True).map(tuple),
    telecom=telecom,
)
authors = people | st.builds(Author, institutions=organisations.map(lambda one: (one,)))
moments = st.builds(
    Timestamp,
    st.datetimes(datetime(1950, 1, 1), datetime(2099, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
) | st.dates().map(
    lambda day: Timestamp(datetime(day.year, day.month, day.day, tzinfo=UTC), Precision.DAY)
)
plain_ids = words.filter(lambda word: "^" not in word and "&" not in word)
references = st.builds(ReferenceId.of_study, oids.map(Uid)) | st.builds(
    ReferenceId,
    plain_ids,
    st.sampled_from([str(kind) for kind in ReferenceKind if kind != ReferenceKind.STUDY]),
    oids | st.just(""),
)
documents = oids.map(DocumentId) | st.builds(
    lambda root, extension: DocumentId(f"{root}^{extension}"), oids, plain_ids
)
entries = st.builds(
    DocumentEntry,
    id=st.uuids().map(lambda each: EntryId(each.urn)),
    ref=st.builds(DocumentRef, st.just(COUNTRY_A), st.just(REPOSITORY), documents),
    patient=patient_ids,
    status=st.sampled_from(EntryStatus),
    version=words | st.just(""),
    mime_type=st.sampled_from(("application/dicom", "application/pdf", "application/fhir+json")),
    title=maybe,
    comments=maybe,
    class_code=st.sampled_from((CLASS_IMAGES, CLASS_REPORTS, EHDSI_IMAGES)),
    type_code=st.sampled_from((TYPE_STUDY, TYPE_REPORT)),
    format_code=st.sampled_from((FORMAT_KOS, FORMAT_PDF, FORMAT_FHIR_MANIFEST)),
    facility_type=codes,
    practice_setting=codes,
    confidentiality=st.lists(codes, max_size=2).map(tuple)
    | st.just((Code("N", CONFIDENTIALITY, "normal"),)),
    event_codes=st.lists(codes, max_size=4, unique=True).map(tuple),
    authors=st.lists(authors, max_size=2, unique_by=lambda each: (each.id, each.institutions)).map(
        tuple
    ),
    created=moments | st.none(),
    service_start=moments | st.none(),
    service_stop=moments | st.none(),
    language=st.sampled_from(("", "en", "pl-PL")),
    sha1=st.binary(min_size=20, max_size=20).map(bytes.hex) | st.just(""),
    size_bytes=st.integers(0, 2**31 - 1) | st.none(),
    references=st.lists(references, max_size=4, unique=True).map(tuple),
    source_patient=patient_ids | st.none(),
)


def back(entry: DocumentEntry, format: Format = Format.JSON) -> DocumentEntry:
    """The entry as the other side reads it from bytes."""
    data = write_resource(written(entry), format)
    read = read_document_reference(
        read_resource(data, format), community=COUNTRY_B, repository=REPOSITORY
    )
    (found,) = read.found
    assert found.url == "https://ncp-a.example/fhir/Binary/ref-1"
    assert found.inline is None
    return found.entry


def in_reading_order(entry: DocumentEntry) -> DocumentEntry:
    """Encounters stand apart from what else is related, and are read last."""
    ordered = sorted(entry.references, key=lambda each: each.kind == ReferenceKind.ENCOUNTER)
    return replace(entry, references=tuple(ordered))


def test_a_full_entry_comes_back_but_for_what_fhir_cannot_hold() -> None:
    """Logical id, uri and availability have no place, minutes become seconds."""
    assert back(make_entry()) == as_fhir_holds(make_entry())


def test_xml_says_the_same() -> None:
    """The two formats are one resource."""
    assert back(make_entry(), Format.XML) == back(make_entry())


@settings(deadline=None)
@given(entries)
def test_any_entry_comes_back(entry: DocumentEntry) -> None:
    """All that both hold: ids, codes, people, times, hashes, references."""
    assert in_reading_order(back(entry)) == in_reading_order(as_fhir_holds(entry))


@settings(max_examples=25, deadline=None)
@given(entries)
def test_any_entry_is_a_valid_resource(entry: DocumentEntry) -> None:
    """The models of fhir.resources accept what we send."""
    validated(written(entry))


@settings(max_examples=50, deadline=None)
@given(entries)
def test_what_was_read_is_written_alike(entry: DocumentEntry) -> None:
    """A second way loses nothing more."""
    once = back(entry)

    assert back(once) == once
