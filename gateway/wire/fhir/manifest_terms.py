"""The fixed names of the FHIR manifest: profiles, extensions, codes of its endpoints and device.

Data only, no reading and no writing. Sources: IHE MADO (FHIR manifest) 2026, FHIR R4.
"""

from __future__ import annotations

from typing import Final

from gateway.domain import Code
from gateway.domain.codes import DCM, LOINC, SCT
from gateway.wire.fhir.concepts import IDENTIFIER_TYPE

_MADO: Final = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/"
BUNDLE: Final = _MADO + "MadoFhirBundle"
COMPOSITION: Final = _MADO + "MadoComposition"
IMAGING_STUDY: Final = _MADO + "MadoImagingStudy"
PATIENT: Final = _MADO + "MadoPatient"
CREATOR: Final = _MADO + "MadoCreator"
CREATOR_ORGANIZATION: Final = _MADO + "MadoCreatorOrganization"
REQUESTED_PROCEDURE: Final = _MADO + "MadoRequestedProcedure"
WADO_ENDPOINT: Final = _MADO + "MadoWadoEndpoint"
VIEWER_ENDPOINT: Final = _MADO + "MadoWebViewerEndpoint"

REGION_EXTENSION: Final = _MADO + "MadoAnatomicalRegionExtension"
LOCATION_EXTENSION: Final = _MADO + "MadoRetrieveLocationUIDExtension"
FRAMES_EXTENSION: Final = _MADO + "MadoNumberOfFrames"
NOTE_TITLE_EXTENSION: Final = _MADO + "MadoKeyObjectDocumentTitle"
ABSENT_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
# In the place of a value that is asked for and not known.
ABSENT: Final = {"extension": [{"url": ABSENT_EXTENSION, "valueCode": "unknown"}]}

# What stands in `address` where the place is known by its location alone.
NO_ADDRESS: Final = "http://notspecified"

_CONNECTIONS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
WADO_RS: Final = Code("dicom-wado-rs", _CONNECTIONS, "DICOM WADO-RS")
IID: Final = Code("ihe-iid", _CONNECTIONS, "IHE IID")
# No published code says "a page to look at".
WEB_VIEWER: Final = Code("web-viewer", "urn:x-ncp-sim:connection", "Web viewer")
IID_PATH: Final = "IHEInvokeImageDisplay"
NO_PAYLOAD: Final = Code(
    "none", "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "None"
)
WADO_PAYLOAD: Final = "DICOM WADO-RS"
VIEWER_PAYLOAD: Final = "text/html"

STUDY_TYPE: Final = Code("18748-4", LOINC, "Diagnostic imaging study")
DEVICE_TYPE: Final = Code(
    "mado-creator", "https://profiles.ihe.net/RAD/MADO/CodeSystem/MadoDeviceType", "MADO Creator"
)
IMAGING: Final = Code("363679005", SCT, "Imaging")

FILLER: Final = Code("FILL", IDENTIFIER_TYPE, "Filler Identifier")
STATION_AE_TITLE: Final = Code("110119", DCM, "Station AE Title")
# The attribute has no code in DICOM's terminology; its name is the type.
PROCEDURE_ID: Final = "Requested Procedure ID"
