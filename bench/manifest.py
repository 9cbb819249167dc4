"""What our manifests cost beside bare libraries: a study of 5,000 instances, in both encodings.

    python bench/manifest.py

`value` and `baseline` are CPU milliseconds, `ratio` the median over alternating pairs of runs. The
key object selection is compared with pydicom building the same data set element by element and
writing it, and with pydicom reading it and visiting every element. The FHIR document is compared
with orjson alone: dumping the finished objects, and parsing the bytes, without a single noun.
"""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from datetime import time as clock
from statistics import median
from typing import Any, TypeAlias

import orjson
import pydicom
from pydicom.dataset import Dataset, FileDataset

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
from gateway.domain.people import Gender
from gateway.wire.dicom import kos_read, kos_write
from gateway.wire.fhir import manifest_read, manifest_write
from gateway.wire.fhir.resources import Format, write_resource

SERIES = 10
INSTANCES = 5_000
RUNS = 15
WARM_UP = 3
# pydicom takes seconds for what orjson does in milliseconds, and varies the less for it.
SLOW_RUNS = 3
KOS_BOUND = 1.5
FHIR_WRITE_BOUND = 15.0
FHIR_READ_BOUND = 10.0
CT_IMAGE = Uid("1.2.840.10008.5.1.4.1.1.2")


def make_manifest(instances: int = INSTANCES) -> ImagingManifest:
    """A CT of several series, with UIDs as long as scanners make them."""
    ct = Code("CT", DCM, "Computed Tomography")
    study = Uid("1.2.826.0.1.3680043.8.498.20261122103000.1")
    share = instances // SERIES
    series = tuple(
        ManifestSeries(
            uid=Uid(f"{study}.{number}"),
            modality=ct,
            number=number,
            description=f"Axial {number}",
            started=date(2026, 11, 22),
            started_time=clock(10, 30, number),
            region=REGIONS[0],
            location=Oid("2.999.20.1"),
            retrieve_url="https://images.example/rs",
            declared_instances=share,
            instances=tuple(
                ManifestInstance(
                    uid=Uid(f"{study}.{number}.20261122103000.{image}"),
                    sop_class=CT_IMAGE,
                    number=image,
                )
                for image in range(1, share + 1)
            ),
        )
        for number in range(1, SERIES + 1)
    )
    return ImagingManifest(
        uid=Uid(f"{study}.99"),
        form=ManifestForm.MADO,
        study=study,
        patient=ManifestPatient(
            ids=(PatientId("A-0001", Oid("2.999.1.2")),),
            name=HumanName(family="Specimen", given=("Anna",)),
            birth_date=date(1980, 1, 2),
            gender=Gender.FEMALE,
        ),
        title=Code("131560", DCM, "Manifest with Description"),
        study_date=date(2026, 11, 22),
        study_time=clock(10, 30),
        offset_minutes=60,
        study_description="CT of head",
        accession="ACC-1",
        accession_authority="2.999.1.4",
        requests=(
            ImagingRequest(
                accession="ACC-1", accession_authority="2.999.1.4", placer_order="ORD-1"
            ),
        ),
        modalities=(ct,),
        regions=REGIONS[:1],
        procedures=(Code("303653007", SCT, "CT of head"),),
        declared_series=SERIES,
        manufacturer="Made-up manifests",
        institution=Organisation(name="Hospital", id="H1", authority="2.999.1.6"),
        created=datetime(2026, 11, 22, 12, tzinfo=UTC),
        series=series,
    )


# --- bare pydicom ---------------------------------------------------------------------------------

# Tag, representation and value of an element; items of a sequence are lists of such.
Plain: TypeAlias = list[tuple[int, str, Any]]


def as_plain(ds: Dataset) -> Plain:
    """A data set as plain values, to be built again from."""
    return [
        (
            int(element.tag),
            element.VR,
            [as_plain(item) for item in element.value] if element.VR == "SQ" else element.value,
        )
        for element in ds
    ]


def _built(plain: Plain) -> Dataset:
    ds = Dataset()
    for tag, representation, value in plain:
        held = [_built(item) for item in value] if representation == "SQ" else value
        ds.add_new(tag, representation, held)
    return ds


def build_with_pydicom(meta: Plain, plain: Plain) -> bytes:
    """The data set built element by element and written as a file."""
    out = io.BytesIO()
    ds = FileDataset(out, _built(plain), preamble=b"\0" * 128)
    ds.file_meta = pydicom.dataset.FileMetaDataset(_built(meta))
    ds.save_as(out)
    return out.getvalue()


def read_with_pydicom(data: bytes) -> int:
    """Every element of every item visited; how many there are."""
    return sum(1 for element in pydicom.dcmread(io.BytesIO(data)).iterall() if element.tag)


# --- rows -----------------------------------------------------------------------------------------


def _cpu_ms(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def _compare(
    ours: Callable[[], object], bare: Callable[[], object], *, slow: bool
) -> tuple[float, float, float]:
    # (ours, bare, ratio), alternating and pair by pair, as in `bench.ebxml`.
    for _ in range(0 if slow else WARM_UP):
        ours(), bare()
    mine, theirs = [], []
    for _ in range(SLOW_RUNS if slow else RUNS):
        mine.append(_cpu_ms(ours))
        theirs.append(_cpu_ms(bare))
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    return median(mine), median(theirs), median(ratios)


def _cases(
    manifest: ImagingManifest,
) -> Sequence[tuple[str, str, float, Callable[[], object], Callable[[], object]]]:
    """Name, words, bound, ours and the baseline of each row; the two must give the same."""
    kos = kos_write.encode_manifest(manifest)
    read = pydicom.dcmread(io.BytesIO(kos))
    meta, plain = as_plain(read.file_meta), as_plain(read)
    if build_with_pydicom(meta, plain) != kos:
        raise AssertionError("the baseline does not write the same bytes")
    bundle = manifest_write.encode_manifest(manifest)
    document = write_resource(bundle, Format.JSON)
    if orjson.dumps(bundle) != document:
        raise AssertionError("the baseline does not dump the same bytes")
    for outcome in (kos_read.decode_manifest(kos), manifest_read.decode_bytes(document)):
        if outcome.items != (manifest,) or outcome.issues:
            raise AssertionError("what was written is not read back")
    size = f"manifest of {manifest.instance_count} instances"
    return (
        (
            "manifest-kos-write",
            f"{size} as a DICOM file, against pydicom building and writing the same data set",
            KOS_BOUND,
            lambda: kos_write.encode_manifest(manifest),
            lambda: build_with_pydicom(meta, plain),
        ),
        (
            "manifest-kos-read",
            f"{size} read from a DICOM file, against pydicom reading and visiting its elements",
            KOS_BOUND,
            lambda: kos_read.decode_manifest(kos),
            lambda: read_with_pydicom(kos),
        ),
        (
            "manifest-fhir-write",
            f"{size} as a FHIR document in bytes, against orjson dumping the finished objects",
            FHIR_WRITE_BOUND,
            lambda: write_resource(manifest_write.encode_manifest(manifest), Format.JSON),
            lambda: orjson.dumps(bundle),
        ),
        (
            "manifest-fhir-read",
            f"{size} read from a FHIR document, against orjson parsing the bytes",
            FHIR_READ_BOUND,
            lambda: manifest_read.decode_bytes(document),
            lambda: orjson.loads(document),
        ),
    )


def rows() -> list[dict[str, Any]]:
    """One row for each claim: what was measured, in CPU milliseconds, and whether it holds."""
    found = []
    for name, what, bound, ours, bare in _cases(make_manifest()):
        mine, theirs, ratio = _compare(ours, bare, slow=bound == KOS_BOUND)
        found.append(
            {
                "name": name,
                "what": what,
                "value": round(mine, 1),
                "baseline": round(theirs, 1),
                "bound": bound,
                "ratio": round(ratio, 2),
                "holds": ratio <= bound,
            }
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row['name']}: {row['value']} ms against {row['baseline']} ms,"
            f" ratio {row['ratio']}, bound {row['bound']},"
            f" {'holds' if row['holds'] else 'BROKEN'}"
        )
