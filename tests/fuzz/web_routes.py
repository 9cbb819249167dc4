"""The REST routes as an OpenAPI description, for a fuzzer that starts from one.

Generated: FHIR's from its table of routes, DICOMweb's from its views. For parameters it names what
leads somewhere, and leaves it to the fuzzer to say something else. Not documentation: of answers it
says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain import InstanceRef, PatientId
from gateway.transport.dicomweb_server import BASE as DICOMWEB
from gateway.transport.dicomweb_server import SIBLING_BASE
from gateway.transport.fhir_routes import BASE as FHIR
from gateway.transport.fhir_routes import ROUTES, Interaction, Route
from gateway.wire.dicom.web import View
from tests.builders import COUNTRY_A
from tests.interop.country import OIDS

Json = dict[str, Any]

_FORM, _JSON, _XML = (
    "application/x-www-form-urlencoded",
    "application/fhir+json",
    "application/fhir+xml",
)
_UID_NAMES: Final = ("study", "series", "instance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What exists: a patient, an image of theirs with several frames, ids of resources by type."""

    patient: PatientId
    family: str
    birth_date: str
    image: InstanceRef
    ids: Mapping[str, tuple[str, ...]]

    @property
    def identifier(self) -> str:
        """The patient as FHIR searches name one."""
        return f"urn:oid:{self.patient.authority}|{self.patient.value}"


def description(known: Known) -> Json:
    """Every route, as OpenAPI has it; paths are below the origin."""
    paths: dict[str, Json] = {}
    for route in ROUTES:
        of_path = paths.setdefault(_fhir_path(route), {})
        of_path[route.method.lower()] = _fhir_operation(route, known)
    for path, parameters in (*_retrievals(known), *_searches(known)):
        paths[path] = {"get": _operation(parameters), "head": _operation(parameters)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Country A over REST", "version": "1"},
        "paths": paths,
    }


def _operation(parameters: Iterable[Json], **more: Any) -> Json:
    return {"parameters": [*parameters], "responses": {"default": {"description": "any"}}, **more}


def _parameter(name: str, *examples: str, place: str = "query") -> Json:
    """A parameter that is one of the values known to be good, or any other text."""
    text: Json = {"type": "string", "minLength": int(place == "path")}
    schema = {"anyOf": [{"enum": list(examples)}, text]} if examples else text
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _header(name: str, *examples: str) -> Json:
    return _parameter(name, *examples, place="header")


# --- FHIR ----------------------------------------------------------------------------------------


def _fhir_path(route: Route) -> str:
    below = "{id}" if route.interaction is Interaction.READ else route.below
    return "/".join(filter(None, (FHIR, route.resource, below)))


def _fhir_operation(route: Route, known: Known) -> Json:
    parameters = [
        _header("Accept", _JSON, _XML, "text/html", "*/*;q=0.1, application/fhir+json; q=1"),
        _header("Accept-Encoding", "gzip", "identity"),
        _parameter("_format", "json", "xml", _XML),
        _parameter("_pretty", "true"),
        _parameter("_summary", "true", "count", "text"),
    ]
    if route.interaction is Interaction.READ:
        ids = known.ids.get(route.resource, ()) or ("1",)
        parameters.append(_parameter("id", *ids, place="path"))
        parameters += [
            _header("Range", "bytes=0-", "bytes=10-20,30-40", "bytes=-5"),
            _header("If-None-Match", "*", '"x"'),
            _header("If-Modified-Since", "Sun, 22 Nov 2026 12:00:00 GMT"),
        ]
        return _operation(parameters)
    asked = _SEARCHES.get(route.resource, {}) | {"_count": ("0", "1", "1000000")}
    named = {
        name: _parameter(name, *(_filled(each, known) for each in values))
        for name, values in asked.items()
    }
    # Without these a search ends before the others are looked at; the fuzzer leaves them out, too.
    needed = [name for name in _NEEDED if name in named]
    for name in needed:
        named[name] |= {"required": True, "schema": {"enum": [known.identifier]}}
    if route.method == "GET":
        return _operation([*parameters, *named.values()])
    if route.interaction is Interaction.SEARCH:
        properties = {name: one["schema"] for name, one in named.items()}
        form = {"schema": {"type": "object", "properties": properties, "required": needed}}
        return _operation(parameters, requestBody={"content": {_FORM: form}})
    return _operation(parameters, requestBody={"content": {_JSON: {"schema": _match(known)}}})


def _filled(text: str, known: Known) -> str:
    return text.format(
        identifier=known.identifier,
        family=known.family,
        born=known.birth_date,
        study=known.image.study,
    )


_NEEDED: Final = ("identifier", "patient.identifier")
# What searches ask, with values that lead somewhere; a name alone is offered for any text.
_SEARCHES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Patient": {
        "identifier": ("{identifier}", "|x", "urn:oid:2.999.1|"),
        "family": ("{family}",),
        "family:exact": ("{family}",),
        "given": (),
        "given:contains": (),
        "birthdate": ("{born}", "1900", "eq{born}"),
        "gender": ("female", "male"),
        "telecom": ("tel:+48",),
        "address-city": (),
        "address-postalcode": (),
        "active": ("true",),
        "_lastUpdated": ("ge2020-01-01",),
    },
    "DocumentReference": {
        "patient.identifier": ("{identifier}",),
        "_id": (),
        "status": ("current", "superseded", "current,superseded"),
        "type": ("http://loinc.org|18748-4", "|"),
        "category": ("urn:oid:2.999|1",),
        "format": (),
        "setting": (),
        "facility": (),
        "event": ("http://dicom.nema.org/resources/ontology/DCM|CT",),
        "modality": ("CT", "MR"),
        "security-label": (),
        "date": ("ge2020", "lt2030-01-01T00:00:00Z", "ne2026-11-22"),
        "period": ("ge2020-01-01", "sa2020"),
        "contenttype": ("application/dicom", "application/pdf"),
        "related.identifier": ("urn:dicom:uid|urn:oid:{study}",),
        "study-instance-uid": ("{study}",),
        "accession-number": (),
        "relatesto": ("DocumentReference/1",),
        "author.family": (),
        "targetCommunityIdList": (str(COUNTRY_A), "2.999.404"),
        "_sort": ("-date",),
        "_include": ("DocumentReference:patient",),
        "_total": ("accurate",),
        "page": (),
    },
}


def _match(known: Known) -> Json:
    """Parameters of `$match`: right in the main, so that a wrong piece is reached."""
    text: Json = {"type": "string"}
    name = {
        "type": "object",
        "properties": {
            "family": {"anyOf": [{"const": known.family}, text]},
            "given": {"type": "array", "items": text},
            "use": text,
        },
    }
    identifier = {
        "type": "object",
        "required": ["system", "value"],
        "properties": {
            "system": {"anyOf": [{"const": f"urn:oid:{known.patient.authority}"}, text]},
            "value": {"anyOf": [{"const": known.patient.value}, text]},
        },
    }
    patient = {
        "type": "object",
        "required": ["resourceType", "identifier", "name"],
        "properties": {
            "resourceType": {"const": "Patient"},
            "name": {"type": "array", "items": name},
            "identifier": {"type": "array", "items": identifier, "minItems": 1},
            "birthDate": {"anyOf": [{"const": known.birth_date}, text]},
            "gender": {"anyOf": [{"const": "female"}, text]},
            "telecom": {"type": "array", "items": {"type": "object"}},
            "address": {"type": "array", "items": {"type": "object"}},
        },
    }
    part = {
        "type": "object",
        "required": ["name", "resource"],
        "properties": {
            "name": {"enum": ["resource", "onlyCertainMatches", "count"]},
            "resource": patient,
            "valueBoolean": {},
            "valueInteger": {},
        },
    }
    return {
        "type": "object",
        "required": ["resourceType", "parameter"],
        "properties": {
            "resourceType": {"enum": ["Parameters", "Patient"]},
            "parameter": {"type": "array", "items": part, "minItems": 1},
        },
    }


# --- DICOMweb ------------------------------------------------------------------------------------

_RANGES: Final = (
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80; q=0.5',
    "application/dicom",
    "application/dicom+json",
    "application/octet-stream; transfer-syntax=*",
    'multipart/related; type="image/jpeg"',
    "image/jpeg",
    "image/png;q=0.2, image/gif",
    "text/html",
)
# Below an instance, and what of it is asked of a series or study, too.
_BELOW_INSTANCE: Final = (
    "/frames/{frames}",
    "/frames/{frames}/rendered",
    "/frames/{frames}/thumbnail",
    "/bulkdata/{tag}",
    "/bulkdata/{tag}/{item}/00080018",
)
_PATH_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "frames": ("1", "1,2", "3,1", "0", "2147483648", "1,"),
    "tag": ("7FE00010", "00081140", "00400275", "00420011", "zz"),
    "item": ("0", "1", "999999999"),
    "home": (str(COUNTRY_A), f"urn:oid:{COUNTRY_A}", "2.999.404"),
    "location": (str(OIDS.imaging_source), "2.999.404"),
}
_VIEWS: Final = tuple(view for view in View if view is not View.FRAMES)


def _scopes() -> dict[str, int]:
    """The paths of a study, a series and an instance, with how many UIDs each has."""
    whole = "/studies/{study}", "/series/{series}", "/instances/{instance}"
    return {"".join(whole[:count]): count for count in (1, 2, 3)}


def _named(path: str, known: Known) -> list[Json]:
    """The parameters in a path."""
    uids = {
        name: (str(getattr(known.image, name)), "1.2.3", "1.2.x", "0", "1." * 33)
        for name in _UID_NAMES
    }
    values = _PATH_VALUES | uids
    names = [name for name in values if "{" + name + "}" in path]
    return [_parameter(name, *values[name], place="path") for name in names]


def _retrievals(known: Known) -> Iterable[tuple[str, list[Json]]]:
    headers = [
        _header("Accept", *_RANGES),
        _header("Accept-Encoding", "gzip", "identity, gzip;q=0"),
        _header("Range", "bytes=0-", "bytes=5-4", "bytes=-1"),
        _header("If-None-Match", "*"),
        _header("X-Request-Id", "mine"),
        _parameter("accept", *_RANGES),
    ]
    drawing = [
        _parameter("viewport", "64,64", "0,0", "64,64,,,,", "1e9,1", "10,10,1,1,-4,-4"),
        _parameter("window", "40,400,linear", "1,0,sigmoid", "NaN,1,linear-exact"),
        _parameter("quality", "1", "100", "101"),
        _parameter("annotation", "patient", "technique"),
        _parameter("iccprofile", "yes", "srgb"),
    ]
    for scope, count in _scopes().items():
        ends = [f"/{view}" if view else "" for view in _VIEWS]
        for end in (*ends, *(_BELOW_INSTANCE if count == 3 else ())):
            path = _there(scope, known) + end
            drawn = drawing if end.endswith((View.RENDERED, View.THUMBNAIL)) else []
            yield DICOMWEB + path, [*headers, *drawn, *_named(path, known)]
        cross = "/homeCommunityId/{home}/RetrieveLocationUID/{location}"
        asked = [*headers, _parameter("retrieveurl", "https://127.0.0.1/dicom-web")]
        path = cross + _there(scope, known)
        yield DICOMWEB + path, [*asked, *_named(path, known)]
        for base in (DICOMWEB, SIBLING_BASE):
            yield base + scope, [*headers, *_named(scope, known)]


def _there(path: str, known: Known) -> str:
    """A path with the UIDs of what exists, for most of what is said about it to be looked at."""
    uids = {name: getattr(known.image, name) for name in _UID_NAMES}
    for name, uid in uids.items():
        path = path.replace("{" + name + "}", str(uid))
    return path


def _searches(known: Known) -> Iterable[tuple[str, list[Json]]]:
    keys = [
        _parameter("PatientID", known.patient.value, "*"),
        _parameter("IssuerOfPatientID", str(known.patient.authority)),
        _parameter("00100010", f"{known.family}*", "?*?", "Ω"),
        _parameter("StudyInstanceUID", str(known.image.study), "1.2,1.3", "1.2\\1.3"),
        _parameter("StudyDate", "20260101-", "-20301231", "2026-01-01", "20269999"),
        _parameter("StudyTime", "0930-", "-235959.999999"),
        _parameter("AccessionNumber", "A*"),
        _parameter("ModalitiesInStudy", "CT", "CT,MR", "CT\\MR"),
        _parameter("Modality", "US"),
        _parameter("NumberOfStudyRelatedInstances", "1"),
        _parameter("RequestAttributesSequence.RequestedProcedureID", "Z*"),
        _parameter("includefield", "all", "StudyDescription,00081030", "NoSuchThing"),
        _parameter("limit", "0", "1", "999999999", "-1"),
        _parameter("offset", "0", "1", "999999999"),
        _parameter("fuzzymatching", "true", "false"),
        _parameter("multiplevaluematching", "true"),
        _parameter("emptyvaluematching", "true"),
        _parameter("accept", "application/dicom+json", "application/json"),
        _header("Accept", "application/dicom+json", "application/dicom+xml", "*/*"),
    ]
    for path in (
        "/studies",
        "/series",
        "/instances",
        "/studies/{study}/series",
        "/studies/{study}/instances",
        "/studies/{study}/series/{series}/instances",
    ):
        yield DICOMWEB + _there(path, known), keys
