"""Who made and who signed a document, as contained resources of its DocumentReference.

Persons become Practitioner, their roles and hospitals PractitionerRole, institutions Organization;
a Device is read and never written, since the noun does not tell one from a person. Knows nothing
of the entry around it. Clauses: FHIR R4 references.html#contained, IHE MHD 4.2 Comprehensive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain import Author, HumanName, Organisation
from gateway.wire.fhir.concepts import OID_URN, urn_of
from gateway.wire.fhir.elements import read_name, read_telecom, write_name, write_telecom
from gateway.wire.fhir.identifiers import URIS, read_identifier
from gateway.wire.fhir.json_format import unchecked_json
from gateway.wire.fhir.person_strings import read_xcn, write_xcn
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at


class Contained:
    """The contained resources of one resource while it is written: each is put in once."""

    def __init__(self) -> None:
        self._ids: dict[bytes, str] = {}
        self.resources: list[Json] = []

    def refer(self, name: str, resource: Json) -> Json:
        """A Reference to a resource, which is put in under a name of its own where it is new."""
        key = unchecked_json(resource)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = f"{name}-{len(self._ids) + 1}"
            # The id comes second; what comes again keeps its place.
            self.resources.append({"resourceType": "", "id": found, **resource})
        return {"reference": f"#{found}"}


# --- writing --------------------------------------------------------------------------------------


def _identifier(local_id: str, authority: str) -> list[Json]:
    if not local_id and not authority:
        return []
    system = urn_of(authority)
    if not local_id:
        return [{"system": URIS, "value": system}]
    return [{"system": system, "value": local_id} if system else {"value": local_id}]


def organisation_resource(organisation: Organisation, telecom: tuple[str, ...] = ()) -> Json:
    """An Organization; its type alone for one that has neither name nor id."""
    resource: Json = {"resourceType": "Organization"}
    if identifier := _identifier(organisation.id, organisation.authority):
        resource["identifier"] = identifier
    if organisation.name:
        resource["name"] = organisation.name
    if telecom and (contacts := write_telecom(telecom)):
        resource["telecom"] = contacts
    return resource


def write_organisation(
    organisation: Organisation, contained: Contained, telecom: tuple[str, ...] = ()
) -> Json:
    """A Reference to an organisation; {} for one that has neither name nor id."""
    resource = organisation_resource(organisation, telecom)
    return contained.refer("organization", resource) if len(resource) > 1 else {}


def _practitioner(author: Author, contained: Contained) -> Json:
    resource: Json = {"resourceType": "Practitioner"}
    if author.id:
        resource["identifier"] = _identifier(author.id, author.id_authority)
    name = write_name(author.name) if author.name else {}
    if name:
        resource["name"] = [name]
    if author.telecom and (contacts := write_telecom(author.telecom)):
        resource["telecom"] = contacts
    only_telecom = author.telecom and not (author.institutions or author.roles)
    known = author.id or name or (only_telecom and not author.specialities)
    return contained.refer("practitioner", resource) if known else {}


def _author(author: Author, contained: Contained) -> list[Json]:
    person = _practitioner(author, contained)
    named = bool(author.roles or author.specialities)
    if person and not named and not author.institutions:
        return [person]
    # Telecom stands at the person; where there is none, at the only other thing there is.
    loose = () if person else author.telecom
    if not person and not named:
        shared = loose if len(author.institutions) == 1 else ()
        found = [write_organisation(org, contained, shared) for org in author.institutions]
        return [reference for reference in found if reference]
    places: Sequence[Organisation | None] = author.institutions or (None,)
    what: Json = {}
    if named:
        what["code"] = [{"text": role} for role in author.roles if role]
        what["specialty"] = [{"text": each} for each in author.specialities if each]
    if loose:
        what["telecom"] = write_telecom(loose)
    roles = []
    for place in places:
        role: Json = {"resourceType": "PractitionerRole"}
        if person:
            role["practitioner"] = person
        if place and (organisation := write_organisation(place, contained)):
            role["organization"] = organisation
        for name, value in what.items():
            if value:
                role[name] = value
        if len(role) > 1:
            roles.append(contained.refer("role", role))
    return roles


def write_authors(authors: Sequence[Author], contained: Contained) -> list[Json]:
    """References to the authors. An author of several institutions who is no person and has no
    role becomes several."""
    return [reference for author in authors for reference in _author(author, contained)]


def write_authenticator(person: str, contained: Contained) -> Json:
    """A Reference to a legal authenticator given as an XCN; text that is none is kept as a name."""
    if not person:
        return {}
    name, local_id, authority = read_xcn(person)
    if write_xcn(name, local_id, authority) == person and (local_id or not authority):
        author = Author(name=name, id=local_id, id_authority=authority)
        written = _practitioner(author, contained)
        if written and (name is None or name.family or name.given):
            return written
    practitioner = {"resourceType": "Practitioner", "name": [{"text": person}]}
    return contained.refer("practitioner", practitioner)


# --- reading --------------------------------------------------------------------------------------


def read_contained(resource: Json, where: str) -> dict[str, Json]:
    """The contained resources by the reference that names them, `#id`."""
    found: dict[str, Json] = {}
    for i, each in enumerate(objects_at(resource, "contained", where)):
        found.setdefault("#" + text_at(each, "id", f"{where}.contained[{i}]"), each)
    return found


def _ids(resource: Json, where: str) -> tuple[str, str]:
    # The first identifier as (id, authority).
    for i, each in enumerate(objects_at(resource, "identifier", where)):
        identifier = read_identifier(each, f"{where}.identifier[{i}]")
        if identifier.system == URIS and identifier.value.startswith(OID_URN):
            return "", identifier.value.removeprefix(OID_URN)
        if identifier.value:
            return identifier.value, identifier.system.removeprefix(OID_URN)
    return "", ""


def _telecom(resource: Json, where: str) -> tuple[str, ...]:
    return read_telecom(objects_at(resource, "telecom", where), f"{where}.telecom")


def _said(concepts: tuple[Json, ...], where: str) -> tuple[str, ...]:
    # What each concept is called: roles and specialities are texts in an entry.
    texts = []
    for i, concept in enumerate(concepts):
        text = text_at(concept, "text", f"{where}[{i}]")
        for coding in objects_at(concept, "coding", f"{where}[{i}]"):
            text = text or text_at(coding, "display", where) or text_at(coding, "code", where)
        texts.append(text)
    return tuple(text for text in texts if text)


def _first_name(resource: Json, where: str) -> HumanName | None:
    for i, each in enumerate(objects_at(resource, "name", where)):
        name = read_name(each, f"{where}.name[{i}]")
        if name is not None:
            return name
    return None


def read_organisation(resource: Json, where: str) -> Organisation:
    """An Organization."""
    local_id, authority = _ids(resource, where)
    return Organisation(name=text_at(resource, "name", where), id=local_id, authority=authority)


def _person(resource: Json, where: str) -> Author:
    local_id, authority = _ids(resource, where)
    if resource.get("resourceType") == "Device":
        names = objects_at(resource, "deviceName", where)
        called = text_at(names[0], "name", f"{where}.deviceName[0]") if names else ""
        name = HumanName(family=called) if called else None
    else:
        name = _first_name(resource, where)
    # An OID alone is the id itself, not its authority, where a person or a device has it.
    if not local_id:
        local_id, authority = authority, ""
    return Author(name=name, id=local_id, id_authority=authority, telecom=_telecom(resource, where))


def _elsewhere(reference: Json, where: str) -> Author | None:
    # A resource that is not here: what the reference itself says of it.
    identifier = object_at(reference, "identifier", where)
    local_id, authority = _ids({"identifier": [identifier]} if identifier else {}, where)
    display = text_at(reference, "display", where)
    if not (local_id or authority or display):
        return None
    path = text_at(reference, "reference", where).split("/")
    kind = text_at(reference, "type", where) or (path[-2] if len(path) > 1 else "")
    if kind == "Organization":
        organisation = Organisation(name=display, id=local_id, authority=authority)
        return Author(institutions=(organisation,))
    name = HumanName(family=display) if display else None
    return Author(name=name, id=local_id or authority, id_authority=authority if local_id else "")


def _resolve(reference: Json, contained: Mapping[str, Json], where: str) -> Author | None:
    target = contained.get(text_at(reference, "reference", where))
    if target is None:
        return _elsewhere(reference, where)
    if target.get("resourceType") == "Organization":
        organisation = read_organisation(target, where)
        return Author(institutions=(organisation,), telecom=_telecom(target, where))
    return _person(target, where)


def _role(role: Json, contained: Mapping[str, Json], where: str) -> Author:
    inner = f"{where}.practitioner"
    person = _resolve(object_at(role, "practitioner", where), contained, inner) or Author()
    inner = f"{where}.organization"
    place = _resolve(object_at(role, "organization", where), contained, inner) or Author()
    return Author(
        name=person.name,
        id=person.id,
        id_authority=person.id_authority,
        institutions=place.institutions,
        roles=_said(objects_at(role, "code", where), f"{where}.code"),
        specialities=_said(objects_at(role, "specialty", where), f"{where}.specialty"),
        telecom=(*person.telecom, *_telecom(role, where)),
    )


def _joined(first: Author, other: Author) -> Author:
    def both(ones: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(ones + others))

    return Author(
        name=first.name,
        id=first.id,
        id_authority=first.id_authority,
        institutions=tuple(dict.fromkeys(first.institutions + other.institutions)),
        roles=both(first.roles, other.roles),
        specialities=both(first.specialities, other.specialities),
        telecom=both(first.telecom, other.telecom),
    )


def read_authors(
    references: tuple[Json, ...], contained: Mapping[str, Json], where: str
) -> tuple[Author, ...]:
    """The authors that references name; several roles of one practitioner are one author.

    Of a resource that is not contained only what its reference says is kept.
    """
    found: list[Author] = []
    people: dict[str, int] = {}
    for i, reference in enumerate(references):
        place = f"{where}[{i}]"
        target = contained.get(text_at(reference, "reference", place))
        person = ""
        if target is not None and target.get("resourceType") == "PractitionerRole":
            author: Author | None = _role(target, contained, place)
            person = text_at(object_at(target, "practitioner", place), "reference", place)
        else:
            author = _resolve(reference, contained, place)
        if author is None or author == Author():
            continue
        if person in people:
            found[people[person]] = _joined(found[people[person]], author)
            continue
        if person:
            people[person] = len(found)
        found.append(author)
    return tuple(found)


def read_authenticator(reference: Json, contained: Mapping[str, Json], where: str) -> str:
    """The authenticator as an XCN, "" when nothing is said of one."""
    target = contained.get(text_at(reference, "reference", where))
    kind = target.get("resourceType") if target is not None else ""
    if target is not None and kind == "Practitioner" and "identifier" not in target:
        names = objects_at(target, "name", where)
        if len(names) == 1 and set(names[0]) == {"text"}:
            return text_at(names[0], "text", where)
    if target is not None and kind == "PractitionerRole":
        author: Author | None = _role(target, contained, where)
    else:
        author = _resolve(reference, contained, where) if reference else None
    if author is None:
        return ""
    if author.institutions and not (author.name or author.id):
        signed = author.institutions[0]
        name = HumanName(family=signed.name) if signed.name else None
        return write_xcn(name, signed.id, signed.authority if signed.id else "")
    return write_xcn(author.name, author.id, author.id_authority)
