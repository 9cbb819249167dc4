"""The guideline's data set of a manifest, element by element, with what the standards leave out.

As `report_elements` for reports. Two elements have no place in some or all manifests of today: for
these a row names what stands in their stead, and tells whether a given manifest has that.

Source: eHealth Network, Guideline on imaging studies and reports, release 1.0, data set B; IHE RAD
MADO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.ids import Uid
from gateway.domain.manifests import ImagingManifest, ManifestInstance
from gateway.domain.report_elements import Carried, Values, Words, carried

# The guideline itself names the dose report within the study as the alternative (B.1.4.4).
DOSE_REPORT = Uid("1.2.840.10008.5.1.4.1.1.88.67")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestElement:
    """An element of data set B.

    `substitute` says what may stand in for an element that a form has no place for, and `stand_in`
    gives that; "" and nothing of an element that every form carries.
    """

    id: str
    title: str
    values: Callable[[ImagingManifest], Values]
    substitute: str = ""
    stand_in: Callable[[ImagingManifest], Values] = lambda _: ()

    def carried(self, manifest: ImagingManifest) -> Carried:
        """How the manifest carries the element; what is not there for lack of a place is a gap."""
        way = carried(self.values(manifest))
        return Carried.GAP if way is Carried.ABSENT and self.substitute else way

    def has_substitute(self, manifest: ImagingManifest) -> bool:
        """Whether the manifest has what stands in for the element."""
        return carried(self.stand_in(manifest)) is not Carried.ABSENT


def _series(*fields: str) -> Callable[[ImagingManifest], Values]:
    return lambda m: (getattr(one, field) for one in m.series for field in fields)


def _instances(manifest: ImagingManifest) -> Iterator[ManifestInstance]:
    return (instance for series in manifest.series for instance in series.instances)


def _instance(field: str) -> Callable[[ImagingManifest], Values]:
    return lambda m: (getattr(one, field) for one in _instances(m))


def _dose_reports(manifest: ImagingManifest) -> Iterator[Any]:
    return (one.uid for one in _instances(manifest) if one.sop_class == DOSE_REPORT)


MANIFEST_ELEMENTS: Final[tuple[ManifestElement, ...]] = (
    ManifestElement(id="B.1.1", title="Study instance UID", values=lambda m: (m.study,)),
    ManifestElement(
        id="B.1.2", title="Description", values=lambda m: (Words(m.study_description),)
    ),
    ManifestElement(
        id="B.1.3",
        title="Study custodian",
        # A key object selection has no place for it; a form that has one fills `custodian`.
        values=lambda m: (m.custodian,),
        substitute="the institution that made the manifest",
        stand_in=lambda m: (m.institution,),
    ),
    ManifestElement(id="B.1.4", title="List of series", values=lambda m: m.series),
    ManifestElement(
        id="B.1.4.1",
        title="Series description",
        values=lambda m: (Words(one.description) for one in m.series),
    ),
    ManifestElement(id="B.1.4.2", title="Series unique identifier", values=_series("uid")),
    ManifestElement(
        id="B.1.4.3",
        title="Modality",
        values=lambda m: (*m.modalities, *(one.modality for one in m.series)),
    ),
    ManifestElement(
        id="B.1.4.4",
        title="Radiation dose information",
        values=lambda _: (),
        substitute="the radiation dose report listed as an instance of the study",
        stand_in=_dose_reports,
    ),
    ManifestElement(
        id="B.1.4.5",
        title="Other series information",
        values=_series("number", "started", "region", "laterality"),
    ),
    ManifestElement(
        id="B.1.4.6", title="Series endpoint", values=_series("location", "retrieve_url")
    ),
    ManifestElement(id="B.1.4.7", title="List of instances in the series", values=_instances),
    ManifestElement(
        id="B.1.4.7.1", title="Instance globally unique identifier", values=_instance("uid")
    ),
    ManifestElement(
        id="B.1.4.7.2",
        title="Instance class globally unique identifier",
        values=_instance("sop_class"),
    ),
    ManifestElement(id="B.1.4.7.3", title="Instance number", values=_instance("number")),
)
