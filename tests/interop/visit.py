"""A visit: Country A on the network, with what a physician of Country B may show and see there.

Certificate, key and token as files and text, for programs that share nothing with our client, and
the files Country A keeps, by SOP Instance UID, for comparison.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread
from yarl import URL

from gateway.config import TlsSection
from gateway.domain import CallContext, ImagingManifest, StudyQuery, TreatmentRelation
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.fhir_requests import bearer
from tests.gateways import Pair
from tests.interop.country import country
from tests.requests import context_for

SCOPES = "RAD-129 RAD-107"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Country A served, who asks about which patient, and what there is of the patient."""

    pair: Pair
    context: CallContext
    studies: tuple[ImagingManifest, ...]
    files: Mapping[str, Path]

    @property
    def dicomweb(self) -> str:
        """The base of Country A's DICOMweb service."""
        return f"{URL(self.pair.url).origin()}/dicom-web"

    @property
    def tls(self) -> TlsSection:
        """Certificate and key to show, and whom to believe."""
        return self.pair.asking_settings.tls

    def token(self, scopes: str = SCOPES) -> str:
        """An Authorization header that may be used until it expires."""
        return bearer(self.pair, self.context, scope=scopes)

    def originals(self, study: ImagingManifest) -> dict[str, Path]:
        """The files of a study, by SOP Instance UID."""
        return {str(ref.instance): self.files[str(ref.instance)] for ref in study.instances()}


@asynccontextmanager
async def visit(
    seeded: Seeded, domain: TrustDomain, folder: Path, *, role: str = "main"
) -> AsyncIterator[Visit]:
    """Country A as it is seeded, visited for one of its patients; nothing of it is changed."""
    context = replace(
        context_for("ihe"),
        patient=seeded.patient(role),
        relation=TreatmentRelation.RESOURCE_ID,
    )
    files = {
        str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): path
        for path in (seeded.folder / "images").rglob("*.dcm")
    }
    async with country(seeded.folder, domain, folder, images_by="wado-rs") as pair:
        query = StudyQuery(community=COUNTRY_A, patient=context.patient)
        found = await pair.exchange.find_studies(query, context)
        yield Visit(pair=pair, context=context, studies=found.items, files=files)
