"""Manifests as hypothesis makes them up, and what of one manifest is otherwise in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from gateway.domain import (
    Code,
    HumanName,
    ImagingManifest,
    ImagingRequest,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Oid,
    Organisation,
    PatientId,
    Uid,
)
from gateway.domain.codes import DCM, REGIONS, SCT
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS, Specimen
from gateway.domain.people import Gender
from tests.builders import CT_IMAGE

TITLE = Code("131560", DCM, "Manifest with Description")
# Nouns that are looked into for differences; every other value is compared as a whole.
_LOOKED_INTO = (
    ImagingManifest,
    ManifestPatient,
    ManifestSeries,
    ManifestInstance,
    ImagingRequest,
    Organisation,
)

# Drawn from lists, for a manifest has hundreds of values and the draw is what takes the time.
words = st.sampled_from(["a", "CT of <head> & neck", "ąéЖΩ 'x'", "two words", "b c d"])
long_words = words | st.just("long words " * 7 + "end")
texts = st.just("") | words
uids = st.integers(1, 10**12).map(lambda number: Uid(f"2.999.{number}"))
oids = st.sampled_from([Oid(f"2.999.{number}") for number in (1, 20, 300)])
authorities = st.just("") | oids.map(str) | st.just("https://a.example/numbers")
numbers = st.none() | st.integers(0, 10**6) | st.just(-2)
counts = st.integers(0, 9) | st.just(1 << 31)
codes = st.sampled_from(
    [
        Code("CT", DCM, "Computed Tomography"),
        Code("303653007", SCT),
        Code("L-1", "99LOCAL", "local"),
        Code("a-value-longer-than-sixteen", "2.999.55", "catalogue"),
    ]
)
values = st.sampled_from(["", "1", "A-2"])
clocks = st.none() | st.times()
days = st.none() | st.dates(date(1901, 1, 2), date(2100, 1, 1))

instances = st.builds(
    ManifestInstance,
    uid=uids,
    sop_class=st.sampled_from([CT_IMAGE, KEY_OBJECT_SOP_CLASS, Uid("2.999.5")]),
    number=numbers,
    frames=numbers | st.just(1 << 31),
    note_title=st.none() | codes,
    note_description=texts,
)
many_series = st.lists(
    st.builds(
        ManifestSeries,
        uid=uids,
        modality=st.none() | codes,
        number=numbers,
        description=texts,
        started=days,
        started_time=clocks,
        region=st.none() | st.sampled_from(REGIONS),
        region_text=texts,
        laterality=st.none() | codes,
        location=st.none() | oids,
        retrieve_url=st.sampled_from(["", "https://a.example/rs", "https://a.example//rs", "rs/"]),
        retrieve_ae_title=st.sampled_from(["", "ARCHIVE"]),
        declared_instances=st.none() | counts,
        instances=st.lists(instances, min_size=1, max_size=3, unique_by=lambda one: one.uid).map(
            tuple
        ),
        specimens=st.lists(st.builds(Specimen, id=values, description=words), max_size=1).map(
            tuple
        ),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda series: series.uid,
).filter(
    lambda found: (
        len({one.uid for series in found for one in series.instances})
        == sum(len(series.instances) for series in found)
    )
)
names = st.builds(
    HumanName,
    family=texts,
    given=st.lists(words, max_size=3).map(tuple),
    prefix=texts,
    suffix=texts,
).filter(lambda name: name != HumanName(family=""))
organisations = st.builds(Organisation, name=long_words) | st.builds(
    Organisation, name=long_words, id=st.just("H1"), authority=authorities
)
requests = st.builds(
    ImagingRequest,
    accession=values,
    placer_order=values,
    placer_authority=authorities,
    filler_order=values,
    filler_authority=authorities,
    procedure_id=values,
    description=texts,
    code=st.none() | codes,
)


@st.composite
def _under_orders(draw: st.DrawFn) -> dict[str, Any]:
    """Requests and accession number of a study, as MADO's cases of orders combine them."""
    # One department numbers them: DICOM tells numbers of two apart only where both have an OID.
    authority = draw(authorities)
    listed = tuple(
        replace(one, accession_authority=authority) for one in draw(st.lists(requests, max_size=3))
    )
    known = {(one.accession, one.accession_authority) for one in listed if one.accession}
    number = draw(st.just(("", "")) | st.tuples(values, authorities))
    if len(known) == 1:
        number = known.pop()  # what a study was made under alone is its accession number
    return {"requests": listed, "accession": number[0], "accession_authority": number[1]}


@st.composite
def manifests(draw: st.DrawFn) -> ImagingManifest:
    """Any manifest, with what one of the encodings or the other cannot hold."""
    return ImagingManifest(
        uid=draw(uids),
        form=ManifestForm.MADO,
        study=Uid("1.2.3"),
        patient=ManifestPatient(
            ids=tuple(
                draw(
                    st.lists(
                        st.builds(PatientId, st.sampled_from(["A-1", "B 2"]), oids),
                        unique=True,
                        max_size=2,
                    )
                )
            ),
            bare_id=draw(st.sampled_from(["", "BARE"])),
            name=draw(st.none() | names),
            birth_date=draw(days),
            gender=draw(st.none() | st.sampled_from(Gender)),
        ),
        title=TITLE,
        study_date=draw(days),
        study_time=draw(clocks),
        offset_minutes=draw(st.none() | st.integers(-12 * 60, 14 * 60)),
        study_description=draw(st.just("") | long_words),
        modalities=tuple(draw(st.lists(codes, max_size=2))),
        regions=tuple(draw(st.lists(st.sampled_from(REGIONS), max_size=2))),
        procedures=tuple(draw(st.lists(codes, max_size=2))),
        declared_series=draw(st.none() | counts),
        viewer_url=draw(st.sampled_from(["", "https://v.example/?a=b&c=d"])),
        manufacturer=draw(st.just("") | long_words),
        institution=draw(st.none() | organisations),
        created=draw(st.none() | st.datetimes(datetime(1902, 1, 1), timezones=st.just(UTC))),
        series=tuple(draw(many_series)),
        custodian=draw(st.none() | organisations),
        procedure_texts=draw(st.sampled_from([(), ("a procedure in words",)])),
        **draw(_under_orders()),
    )


def counted(manifest: ImagingManifest) -> ImagingManifest:
    """A manifest with the counts that both encodings state even where it does not."""
    series = tuple(
        replace(one, declared_instances=len(one.instances))
        if one.declared_instances is None
        else one
        for one in manifest.series
    )
    declared = manifest.declared_series
    return replace(
        manifest,
        series=series,
        declared_series=len(series) if declared is None else declared,
        form=ManifestForm.MADO,
        title=TITLE,
    )


def changes(before: ImagingManifest, after: ImagingManifest) -> set[str]:
    """The elements that are otherwise after a journey, as paths of fields."""
    return set(_changes("", counted(before), counted(after)))


def _changes(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, _LOOKED_INTO) and type(before) is type(after):
        assert is_dataclass(before)
        for field in fields(before):
            inner = f"{path}.{field.name}".lstrip(".")
            yield from _changes(inner, getattr(before, field.name), getattr(after, field.name))
    elif _is_list(before) and _is_list(after) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from _changes(path, one, other)
    elif before != after:
        yield path


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], _LOOKED_INTO)
