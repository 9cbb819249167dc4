"""Key images of a report, as DocumentReferences: which image, what it shows, its content.

Guideline A.6. The profile wants a URL: content goes into a Binary of the document and is pointed
to, an image without content is named by the URN of its instance, for a report does not tell where
images lie. Images told as ImagingSelection (in R4 a Basic) are read for their UIDs. Clauses: HL7
Europe imaging report, DocumentReferenceKeyImage, ImagingSelectionKeyImage.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from gateway.domain import (
    Code,
    Concept,
    InvalidIdentifier,
    KeyImage,
    MediaKind,
    Participant,
    ReportDevice,
    Uid,
)
from gateway.wire.fhir.concepts import OID_URN, read_concept, write_concept
from gateway.wire.fhir.document_reference_terms import BODY_SITE_EXTENSION, MODALITY_EXTENSION
from gateway.wire.fhir.identifiers import (
    DICOM_UIDS,
    STUDY_UID,
    URIS,
    Identifier,
    read_identifier,
    write_identifier,
)
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_people import participant_of, refer_participant
from gateway.wire.fhir.report_terms import (
    ATTACHMENT,
    INSTANCE_UID,
    KEY_IMAGE_PROFILE,
    KEY_IMAGES,
    MEDIA_TYPES,
    SERIES_UID,
    THUMBNAIL,
)
from gateway.wire.fhir.report_values import (
    concept_at,
    concept_json,
    concepts_at,
    decimal_at,
    device_json,
    each,
    extension,
    extensions_of,
    filled,
    read_device,
    site_json,
    site_of,
)
from gateway.wire.fhir.resources import Json, integer_at, object_at, objects_at, text_at
from gateway.wire.problems import DecodeError

MAX_CONTENT: Final = 64 * 1024 * 1024  # bytes of one image or form; images do not travel in reports

_SIZES: Final = ("width", "height", "frames")


def write_key_image(image: KeyImage, made: Made, subject: Json) -> Json:
    """A Reference to the DocumentReference of a key image."""
    authors = [made.refer(device_json(image.device))] if image.device else []
    authors.append(refer_participant(image.performer, made, subject=subject))
    site = site_json(image.site, made, subject=subject)
    return made.refer(
        filled(
            {
                "resourceType": "DocumentReference",
                "meta": {"profile": [KEY_IMAGE_PROFILE]},
                "extension": [
                    *(
                        [extension(MODALITY_EXTENSION, "CodeableConcept", modality)]
                        if (modality := write_concept(image.modality) if image.modality else {})
                        else []
                    ),
                    *(
                        [
                            {
                                "url": BODY_SITE_EXTENSION,
                                "extension": [extension("concept", "CodeableConcept", site)],
                            }
                        ]
                        if site
                        else []
                    ),
                ],
                "identifier": [
                    write_identifier(
                        Identifier(value=f"{OID_URN}{uid}", system=system, types=(code,))
                    )
                    for uid, system, code in (
                        (image.instance, URIS, INSTANCE_UID),
                        (image.series, URIS, SERIES_UID),
                        (image.study, DICOM_UIDS, STUDY_UID),
                    )
                    if uid
                ],
                "status": "current",
                "type": concept_json(image.view),
                "category": [
                    write_concept(KEY_IMAGES),
                    *([write_concept(Code(image.kind.value, MEDIA_TYPES))] if image.kind else []),
                ],
                "subject": subject,
                "author": [one for one in authors if one],
                "description": image.comment,
                "content": [
                    {
                        "extension": [{"url": THUMBNAIL, "valueBoolean": False}],
                        "attachment": _attachment(image, made),
                    }
                ],
            }
        )
    )


def _attachment(image: KeyImage, made: Made) -> Json:
    url = image.url
    if image.content:
        url = binary_url(image.content, image.content_type, made)
    elif not url and image.instance:
        url = f"{OID_URN}{image.instance}"
    sizes = [
        extension(f"{ATTACHMENT}{name}", "PositiveInt", getattr(image, name)) for name in _SIZES
    ]
    length = image.duration
    sizes.append(extension(f"{ATTACHMENT}duration", "Decimal", length) if length else {})
    attachment = filled(
        {
            "extension": [one for one in sizes if one],
            "contentType": image.content_type,
            "url": url,
            "title": image.comment,
        }
    )
    return attachment or {"contentType": "application/octet-stream"}


def binary_url(content: bytes, media_type: str, made: Made) -> str:
    """The URL of a Binary that holds some bytes."""
    data = base64.b64encode(content).decode("ascii")
    kind = media_type or "application/octet-stream"
    reference = made.refer({"resourceType": "Binary", "contentType": kind, "data": data})
    return str(reference["reference"])


def read_content(attachment: Json, found: Found, where: str) -> bytes:
    """The bytes of an attachment, within it or in a Binary of the document; b"" where not here.

    Raises `DecodeError` for what is no base64.
    """
    data, place = text_at(attachment, "data", where), f"{where}.data"
    if not data:
        binary = found.named(text_at(attachment, "url", where))
        if binary is None or binary.get("resourceType") != "Binary":
            return b""
        place = f"{found.place(binary)}.data"
        data = text_at(binary, "data", found.place(binary))
    if len(data) > MAX_CONTENT // 3 * 4:
        raise DecodeError(place, f"{len(data)} characters", f"at most {MAX_CONTENT} bytes")
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError(place, "characters that are none of it", "base64") from None


def read_key_images(references: tuple[Json, ...], found: Found, where: str) -> tuple[KeyImage, ...]:
    """The key images among the entries of findings and impression."""
    read = []
    listed = each(references, found, where, "DocumentReference", "Basic", "ImagingSelection")
    for resource, place in listed:
        if resource["resourceType"] == "DocumentReference":
            read.append(_read_key_image(resource, found, place))
        else:
            read += _read_selection(resource, place)
    return tuple(read)


def _read_key_image(resource: Json, found: Found, where: str) -> KeyImage:
    uids = _uids(resource, where)
    attachment, place = _main_attachment(resource, where)
    content = read_content(attachment, found, place)
    url = text_at(attachment, "url", place)
    instance = uids.get(INSTANCE_UID.value)
    if content or url.removeprefix(OID_URN) == instance:
        url = ""
    site = None
    for one, at in extensions_of(resource, BODY_SITE_EXTENSION, where):
        for inner, inside in extensions_of(one, "concept", at):
            site = (
                site or site_of(object_at(inner, "valueCodeableConcept", inside), found, inside)[0]
            )
    modalities = [
        code
        for one, at in extensions_of(resource, MODALITY_EXTENSION, where)
        for code in read_concept(object_at(one, "valueCodeableConcept", at), at)
    ]
    device, performer = _makers(resource, found, where)
    sizes: dict[str, Any] = {
        name: next(
            (
                integer_at(one, "valuePositiveInt", at)
                for one, at in extensions_of(attachment, f"{ATTACHMENT}{name}", place)
            ),
            None,
        )
        for name in _SIZES
    }
    lengths = (
        decimal_at(one, "valueDecimal", at)
        for one, at in extensions_of(attachment, f"{ATTACHMENT}duration", place)
    )
    media_type = text_at(attachment, "contentType", place)
    return KeyImage(
        study=uids.get(STUDY_UID.value),
        series=uids.get(SERIES_UID.value),
        instance=instance,
        view=concept_at(resource, "type", where),
        site=site,
        kind=_kind(resource, where),
        modality=next(iter(modalities), None),
        device=device,
        performer=performer,
        duration=next(lengths, None),
        comment=text_at(resource, "description", where) or text_at(attachment, "title", place),
        content_type="" if media_type == "application/octet-stream" and not content else media_type,
        content=content,
        url=url,
        **sizes,
    )


def _uids(resource: Json, where: str) -> dict[str, Uid]:
    """The UIDs among the identifiers, by the code of their type."""
    found: dict[str, Uid] = {}
    for i, one in enumerate(objects_at(resource, "identifier", where)):
        place = f"{where}.identifier[{i}]"
        identifier = read_identifier(one, place)
        for code in identifier.types:
            if code.value in (INSTANCE_UID.value, SERIES_UID.value, STUDY_UID.value):
                found.setdefault(code.value, _uid(identifier.value, f"{place}.value"))
    return found


def _uid(text: str, where: str) -> Uid:
    try:
        return Uid.parse(text)
    except InvalidIdentifier as error:
        raise DecodeError(where, repr(error.found), error.expected) from None


def _main_attachment(resource: Json, where: str) -> tuple[Json, str]:
    """The attachment that is no thumbnail."""
    for i, content in enumerate(objects_at(resource, "content", where)):
        place = f"{where}.content[{i}]"
        thumbnail = any(
            one.get("valueBoolean") is True for one, _ in extensions_of(content, THUMBNAIL, place)
        )
        if not thumbnail:
            return object_at(content, "attachment", place), f"{place}.attachment"
    return {}, where


def _makers(
    resource: Json, found: Found, where: str
) -> tuple[ReportDevice | None, Participant | None]:
    """The equipment and the person among the authors."""
    device: ReportDevice | None = None
    performer: Participant | None = None
    for i, reference in enumerate(objects_at(resource, "author", where)):
        place = f"{where}.author[{i}]"
        author = found.resolve(reference, place)
        if author is not None and author.get("resourceType") == "Device":
            device = device or read_device(author, found.place(author))
        else:
            performer = performer or participant_of(reference, found, place)
    return device, performer


def _kind(resource: Json, where: str) -> MediaKind | None:
    kinds = {kind.value: kind for kind in MediaKind}
    said = (*concepts_at(resource, "category", where), concept_at(resource, "type", where))
    for concept in said:
        for code in concept.codes if isinstance(concept, Concept) else ():
            if code.scheme == MEDIA_TYPES and code.value in kinds:
                return kinds[code.value]
    return None


def _read_selection(resource: Json, where: str) -> list[KeyImage]:
    """The instances of an ImagingSelection, natively or as R4 writes it: extensions of a Basic."""
    study = series = None
    instances: list[Uid] = []
    for name, value in _selected(resource):
        uid = _uid(value, where)
        if name == "studyUid":
            study = uid
        elif name == "seriesUid":
            series = uid
        else:
            instances.append(uid)
    return [KeyImage(study=study, series=series, instance=one) for one in instances]


def _selected(value: Any) -> list[tuple[str, str]]:
    """The UIDs anywhere below, by the name they stand under; depth is bounded by the reader."""
    found: list[tuple[str, str]] = []
    if isinstance(value, dict):
        name = str(value.get("url", "")).rsplit(".", 1)[-1].rsplit("/", 1)[-1]
        for key in ("valueId", "valueOid", "valueString", "valueUri"):
            if name in ("studyUid", "seriesUid", "uid") and isinstance(value.get(key), str):
                found.append((name, value[key]))
        for key, inner in value.items():
            if key in ("studyUid", "seriesUid", "uid") and isinstance(inner, str):
                found.append((key, inner))
            else:
                found += _selected(inner)
    elif isinstance(value, list):
        for one in value:
            found += _selected(one)
    return found
