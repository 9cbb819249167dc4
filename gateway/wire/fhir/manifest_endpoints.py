"""Endpoints of a manifest: where a series can be had, and where the study can be looked at.

A place is a location UID, a WADO-RS base and, for archives of old, an AE title; any of them may be
missing. A missing base is the profile's placeholder with data-absent-reason; a missing location is
left out, although the profile asks for it, for none can be invented. Whether a host may be called
is not judged here. Clauses: IHE MADO, MadoWadoEndpoint and MadoWebViewerEndpoint; FHIR R4 endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.domain import InvalidIdentifier, ManifestSeries, Oid
from gateway.domain.manifest_checks import web_address
from gateway.wire.fhir import manifest_terms as terms
from gateway.wire.fhir.concepts import write_coding, write_concept
from gateway.wire.fhir.departures import Departures
from gateway.wire.fhir.identifiers import Identifier, read_identifier, write_identifier
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at, texts_at

_IN_USE: Final = ("active", "")
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a series can be had; "" and None for what is not known."""

    location: Oid | None = None
    url: str = ""
    ae_title: str = ""


def place_of(series: ManifestSeries) -> Place:
    """Where a series says it can be had."""
    return Place(
        location=series.location, url=series.retrieve_url, ae_title=series.retrieve_ae_title
    )


def write_place(place: Place) -> Json:
    """A MadoWadoEndpoint."""
    endpoint: Json = {"resourceType": "Endpoint", "meta": {"profile": [terms.WADO_ENDPOINT]}}
    if place.location is not None:
        endpoint["extension"] = [{"url": terms.LOCATION_EXTENSION, "valueString": place.location}]
    if place.ae_title:
        title = Identifier(value=place.ae_title, types=(terms.STATION_AE_TITLE,))
        endpoint["identifier"] = [write_identifier(title)]
    usable = web_address(place.url)[0]
    endpoint |= {
        "status": "active",
        "connectionType": write_coding(terms.WADO_RS),
        "payloadType": [write_concept(terms.NO_PAYLOAD, text=terms.WADO_PAYLOAD)],
        "payloadMimeType": ["application/dicom"],
        "address": usable or terms.NO_ADDRESS,
    }
    if not usable:
        endpoint["_address"] = terms.ABSENT
    return endpoint


def write_viewer(url: str) -> Json:
    """A MadoWebViewerEndpoint; its address is opaque and goes as it is."""
    return {
        "resourceType": "Endpoint",
        "meta": {"profile": [terms.VIEWER_ENDPOINT]},
        "status": "active",
        "connectionType": write_coding(terms.IID if terms.IID_PATH in url else terms.WEB_VIEWER),
        "payloadType": [write_concept(terms.NO_PAYLOAD)],
        "payloadMimeType": [terms.VIEWER_PAYLOAD],
        "address": url,
    }


def is_place(endpoint: Json, where: str) -> bool:
    """Whether an Endpoint is one of WADO-RS, by its connection whatever the code system."""
    coding = object_at(endpoint, "connectionType", where)
    return text_at(coding, "code", f"{where}.connectionType") == terms.WADO_RS.value


def is_viewer(endpoint: Json, where: str) -> bool:
    """Whether an Endpoint is a page to look at: by its connection or by what it sends."""
    coding = object_at(endpoint, "connectionType", where)
    connection = text_at(coding, "code", f"{where}.connectionType")
    if connection in (terms.IID.value, terms.WEB_VIEWER.value):
        return True
    # Endpoints of WADO-RS list text/html among the many types they render to.
    types = texts_at(endpoint, "payloadMimeType", where)
    return connection != terms.WADO_RS.value and terms.VIEWER_PAYLOAD in types


def read_place(endpoint: Json, where: str, departures: Departures, *, base: str = "") -> Place:
    """Where an Endpoint of WADO-RS leads; what cannot be used is left out, and told.

    `base` is where a relative address begins, "" where that is not known. The host of the address
    is for the caller to compare with those that may be called.
    """
    if text_at(endpoint, "status", where) not in _IN_USE:
        departures.add("the endpoint is not active", where)
    return Place(
        location=_location(endpoint, where, departures),
        url=_address(endpoint, where, departures, base),
        ae_title=_ae_title(endpoint, where),
    )


def read_viewer(endpoint: Json, where: str) -> str:
    """The address of a viewer, complete as it is; "" where it stands for none."""
    return "" if _is_absent(endpoint, where) else text_at(endpoint, "address", where).strip()


def _location(endpoint: Json, where: str, departures: Departures) -> Oid | None:
    text = ""
    for i, extension in enumerate(objects_at(endpoint, "extension", where)):
        at = f"{where}.extension[{i}]"
        if text_at(extension, "url", at) == terms.LOCATION_EXTENSION:
            text = text_at(extension, "valueString", at)
    if not text:
        departures.add("the endpoint has no location UID", where)
        return None
    bare = text.strip()
    for prefix in ("urn:oid:", "oid:"):
        bare = bare.removeprefix(prefix)
    try:
        return Oid(bare)
    except InvalidIdentifier:
        departures.add(f"the location {text[:_SHOWN]!r} is not an OID", where)
        return None


def _address(endpoint: Json, where: str, departures: Departures, base: str) -> str:
    if _is_absent(endpoint, where):
        return ""
    usable, told = web_address(text_at(endpoint, "address", where).strip(), base)
    if told:
        departures.add(told, where)
    return usable


def _is_absent(endpoint: Json, where: str) -> bool:
    beside = object_at(endpoint, "_address", where)
    return any(
        text_at(extension, "url", f"{where}._address") == terms.ABSENT_EXTENSION
        for extension in objects_at(beside, "extension", f"{where}._address")
    )


def _ae_title(endpoint: Json, where: str) -> str:
    for i, each in enumerate(objects_at(endpoint, "identifier", where)):
        identifier = read_identifier(each, f"{where}.identifier[{i}]")
        if terms.STATION_AE_TITLE in identifier.types:
            return identifier.value
    return ""
