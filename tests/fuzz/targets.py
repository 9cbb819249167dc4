"""What is fuzzed: readers of bytes, each with good messages to start from.

A target is a name, a function that gives its corpus, and a function that reads one input. The
reader may raise `DecodeError`, `ExchangeError` or `EncodeError`; anything else is a crash.
Modules of the transactions are imported when a target runs, so that one that cannot be imported
does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from io import BytesIO
from typing import Final

from gateway.domain import (
    CommunityId,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    EntryId,
    ExchangeError,
    Gender,
    HumanName,
    ImageRequest,
    InstanceRef,
    Oid,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    Refusal,
    Transaction,
    Uid,
    refuse,
)
from gateway.wire.multipart import (
    Event,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    closing,
    decode_transfer,
    part_head,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap.envelope import (
    ANONYMOUS,
    Fault,
    FaultCode,
    parse_content_type,
    read_envelope,
    read_fault,
    write_envelope,
    write_fault,
)
from gateway.wire.soap.mtom import (
    attachment_headers,
    included_cid,
    inline_includes,
    root_headers,
    xop_include,
)
from gateway.wire.xml import Element, parse_xml, path_of, text_of
from tests.builders import COUNTRY_A, COUNTRY_B, NOON, PATIENT
from tests.dicom_images import BIG, RLE, bundled, encapsulated, even, image_of
from tests.shared import SHARED

EXPECTED: Final = (DecodeError, ExchangeError, EncodeError)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader under test; the corpus is asked for once, `run` for every input."""

    name: str
    corpus: Callable[[], list[bytes]]
    run: Callable[[bytes], None]


def _samples(*folders: str) -> Iterator[bytes]:
    """Messages of others, where they are kept beside the project."""
    for folder in folders:
        for path in sorted((SHARED / "samples/soap" / folder).glob("*.xml")):
            yield path.read_bytes()


def _bodies(*folders: str) -> Iterator[bytes]:
    """The body children of sample messages, bare or in an envelope."""
    for data in _samples(*folders):
        try:
            yield _serialise(read_envelope(data, require_action=False, understood=None).body)
        except DecodeError:
            yield data


def _serialise(element: Element) -> bytes:
    from lxml import etree

    return etree.tostring(element, with_tail=False)


def _each(data: bytes, *decoders: Callable[[Element], object]) -> None:
    """Give the same tree to every decoder; one that refuses does not spare the next."""
    body = parse_xml(data)
    for decode in decoders:
        try:
            decode(body)
        except EXPECTED:
            continue


# envelope


def _envelopes() -> list[bytes]:
    body = b'<a xmlns="urn:a">' + xop_include("d@x") + b"</a>"
    own = [
        write_envelope(
            body, action="urn:a", message_id="urn:uuid:1", to="https://a/", reply_to=ANONYMOUS
        ),
        write_envelope(body, action="urn:a", relates_to="urn:uuid:1"),
        write_fault(
            Fault(
                code=FaultCode.MUST_UNDERSTAND,
                reason="x",
                subcode="wsa:InvalidAddressingHeader",
                headers=("{urn:x}y",),
            ),
            relates_to="m",
        ),
    ]
    return own + list(_samples("iti-38", "iti-39", "iti-55", "constructed", "saml"))


def _run_envelope(data: bytes) -> None:
    envelope = read_envelope(data, require_action=False)
    fault = read_fault(envelope)
    if fault is not None and not fault.subcode:
        write_fault(fault)
    for element in (envelope.body, *envelope.body):
        path_of(element)
        text_of(element)
        included_cid(element)
    inline_includes(envelope.root, {"d@x": b"content"})


# multipart


_BOUNDARY: Final = "b"


def _multiparts() -> list[bytes]:
    envelope = write_envelope(b"<a>" + xop_include("d@x") + b"</a>", action="urn:a")
    attachment = part_head(_BOUNDARY, attachment_headers("d@x", "application/dicom", 9))
    in_base64 = part_head(
        _BOUNDARY, (("Content-ID", "<e@x>"), ("Content-Transfer-Encoding", "base64"))
    )
    in_quotes = part_head(_BOUNDARY, (("Content-Transfer-Encoding", "quoted-printable"),))
    root = part_head(_BOUNDARY, root_headers("r@x"), first=True) + envelope
    end = closing(_BOUNDARY)
    return [
        root + attachment + b"content\r\n" + end,
        root + attachment + b"\r\n--bb" + in_base64 + b"QUJD\r\nREVGRw==" + end,
        root + in_quotes + b"a=3D=\r\nb \r\n" + end,
        b"preamble\r\n" + root + attachment + end + b"epilogue",
        (root + attachment + b"x" + end).replace(b"\r\n", b"\n"),
        b"--b\r\n\r\n\r\n--b\r\n\r\n--b--",
    ]


def _run_multipart(data: bytes) -> None:
    """Read whole and in pieces; the parts must be the same, or the refusals."""
    whole = _read_parts([data])
    size = 1 + len(data) % 61
    pieces = _read_parts([data[at : at + size] for at in range(0, len(data), size)])
    if whole != pieces:
        raise AssertionError(f"whole and in pieces of {size} differ")
    parse_content_type(data[:2000].decode("iso-8859-1"))
    if isinstance(whole, DecodeError):
        raise whole
    for headers, content in whole[0]:
        encoding = dict(headers).get("Content-Transfer-Encoding", "")
        decoder = decode_transfer(encoding)
        decoder.update(content)
        decoder.finish()


_Parts = tuple[list[tuple[tuple[tuple[str, str], ...], bytes]], bool]


class _Refused(DecodeError):
    """A refusal that compares by its place, so that two readings can be compared."""

    __hash__ = DecodeError.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Refused)


def _read_parts(chunks: list[bytes]) -> _Parts | _Refused:
    reader = MultipartReader(_BOUNDARY, max_parts=200, max_header_bytes=1000)
    events: list[Event] = []
    try:
        for chunk in chunks:
            events += reader.feed(chunk)
        closed = reader.finish()
    except DecodeError as error:
        return _Refused(error.where, error.found, error.expected, error.rule)
    events += reader.tail
    parts: list[tuple[tuple[tuple[str, str], ...], bytes]] = []
    content: list[bytes] = []
    for event in events:
        match event:
            case PartBegin(headers):
                content = []
                parts.append((headers, b""))
            case PartData(piece):
                content.append(piece)
            case PartEnd():
                parts[-1] = (parts[-1][0], b"".join(content))
    return parts, closed


# ebrim: ITI-38, ITI-39, RAD-75


_REFS = (
    DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId("2.999.1.4.1")),
    DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId("2.999.1.4.2^x")),
)


def _ebrims() -> list[bytes]:
    from gateway.wire.soap import xca_images, xca_query, xca_retrieve
    from gateway.wire.soap.refusals import ErrorStyle
    from tests.builders import make_entry

    refusal = refuse(Refusal.UNKNOWN_DOCUMENT, "unknown", subject="2.999.1.4.1")
    entry = make_entry()
    images = ImageRequest(
        community=COUNTRY_A,
        instances=tuple(
            (
                InstanceRef(
                    study=Uid("2.999.5"),
                    series=Uid(f"2.999.5.{number // 2}"),
                    instance=Uid(f"2.999.5.9.{number}"),
                ),
                Oid("2.999.1.3"),
            )
            for number in range(4)
        ),
    )
    parts = (
        xca_retrieve.RetrievedPart(ref=_REFS[0], mime_type="application/dicom", cid="d@x"),
        xca_retrieve.RetrievedPart(ref=_REFS[1], mime_type="text/xml", data=b"<a/>"),
    )
    own = [
        xca_query.encode_request(DocumentQuery(patient=PATIENT, community=COUNTRY_A)),
        xca_query.encode_request(
            DocumentLookup(community=COUNTRY_A, entry_ids=(EntryId("urn:uuid:1"),))
        ),
        xca_query.encode_response(
            Outcome(items=(entry, replace(entry, title="'two' & <more>"))),
            responder=COUNTRY_A,
            style=ErrorStyle.IHE,
        ),
        xca_query.encode_refusal(
            refusal, transaction=Transaction.FIND, responder=COUNTRY_A, style=ErrorStyle.EHDSI
        ),
        xca_retrieve.encode_request(_REFS),
        xca_retrieve.encode_response(parts, responder=COUNTRY_A, style=ErrorStyle.IHE),
        xca_retrieve.encode_refusal(refusal, responder=COUNTRY_A, style=ErrorStyle.IHE),
        xca_images.encode_request(images, (Uid("1.2.840.10008.1.2.1"),)),
    ]
    return own + list(_bodies("iti-38", "iti-39", "rad-69", "rad-75", "constructed"))


def _run_ebrim(data: bytes) -> None:
    from gateway.wire.soap import xca_images, xca_query, xca_retrieve

    home = CommunityId("2.999.9")
    _each(
        data,
        xca_query.decode_request,
        xca_query.decode_response,
        lambda body: xca_query.decode_response(body, default_home=home),
        lambda body: xca_retrieve.decode_request(body, home_required=True, default_home=None),
        lambda body: xca_retrieve.decode_request(body, home_required=False, default_home=home),
        xca_retrieve.decode_response,
        lambda body: xca_images.decode_request(body, home_required=True),
        lambda body: xca_images.decode_request(body, home_required=False, default_home=home),
        xca_images.decode_response,
    )


# hl7v3: ITI-55


def _hl7v3s() -> list[bytes]:
    from gateway.wire.soap import xcpd
    from gateway.wire.soap.refusals import ErrorStyle

    name = HumanName(family="Andersson", given=("Ada", "Eva"))
    requests = [
        xcpd.encode_request(
            traits,
            message_id="urn:uuid:2d9c1b5e-0000-4000-8000-000000000001",
            created=NOON,
            sender=COUNTRY_B,
            receiver=COUNTRY_A,
        )
        for traits in (
            PatientTraits(ids=(PATIENT, PatientId("B-1", Oid("2.999.2.2")))),
            PatientTraits(
                name=name,
                birth_date=date(1971, 2, 3),
                gender=Gender.FEMALE,
                telecom=("tel:+1",),
                minimum_match=75,
            ),
        )
    ]
    found = Outcome(
        items=(
            PatientIdentity(
                id=PATIENT,
                community=COUNTRY_A,
                names=(name,),
                birth_date=date(1971, 2, 3),
                gender=Gender.FEMALE,
            ),
        )
    )
    answers = [
        xcpd.encode_response(
            outcome,
            xcpd.decode_request(parse_xml(request)),
            message_id="urn:uuid:2d9c1b5e-0000-4000-8000-000000000002",
            created=NOON,
            responder=COUNTRY_A,
            style=style,
        )
        for request in requests
        for outcome in (found, Outcome())
        for style in ErrorStyle
    ]
    return requests + answers + list(_bodies("iti-55", "constructed"))


def _run_hl7v3(data: bytes) -> None:
    from gateway.wire.soap import xcpd
    from gateway.wire.soap.refusals import ErrorStyle

    def answer(body: Element) -> None:
        request = xcpd.decode_request(body)
        written = xcpd.encode_response(
            Outcome(),
            request,
            message_id="urn:uuid:3",
            created=NOON,
            responder=COUNTRY_A,
            style=ErrorStyle.IHE,
        )
        parse_xml(written)

    _each(data, answer, xcpd.decode_response)


# manifest: the FHIR document of a study, and the study by itself


def _manifests() -> list[bytes]:
    from gateway.wire.fhir.imaging_study_write import write_imaging_study
    from gateway.wire.fhir.manifest_write import encode_manifest
    from gateway.wire.fhir.mhd_retrieve import wrap_binary
    from gateway.wire.fhir.resources import Format, write_resource
    from tests.builders import make_manifest

    manifest = make_manifest()
    document = encode_manifest(manifest)
    own = [
        write_resource(document, Format.JSON),
        write_resource(document, Format.XML),
        write_resource(write_imaging_study(manifest), Format.JSON),
    ]
    own.append(write_resource(wrap_binary(own[0], "application/fhir+json"), Format.JSON))
    found = [*(SHARED / "samples/mado").glob("*bundle.json")]
    found += (SHARED / "samples/fhir/mado-r4").glob("Bundle*.json")
    return own + [path.read_bytes() for path in sorted(found)]


def _run_manifest(data: bytes) -> None:
    """Read as a document and as a study; what is read can be written again."""
    from gateway.wire.fhir.imaging_study_read import read_imaging_study
    from gateway.wire.fhir.manifest_read import decode_bytes
    from gateway.wire.fhir.manifest_write import encode_manifest
    from gateway.wire.fhir.resources import Format, read_resource, write_resource

    study = data.find(b'"ImagingStudy"') in range(40)
    outcome = read_imaging_study(read_resource(data, Format.JSON)) if study else decode_bytes(data)
    for manifest in outcome.items:
        write_resource(encode_manifest(manifest, at=NOON), Format.JSON)


def _images() -> list[bytes]:
    """Small images of several kinds, and a report."""
    import numpy as np

    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    window = {"WindowCenter": "30", "WindowWidth": "20", "RescaleSlope": "2"}
    names = ("rtdose_rle.dcm", "SC_rgb_small_odd_jpeg.dcm", "JPEGLSNearLossless_08.dcm")
    return [
        image_of(pixels, BitsStored=12, RescaleIntercept="1", PixelPaddingValue=3, **window),
        image_of(pixels, BIG, NumberOfFrames=2, PixelData=bytes(256)),
        image_of(pixels, RLE, NumberOfFrames=2, PixelData=encapsulated([b"ab"] * 4, [0, 20])),
        *map(bundled, names),
    ]


def _run_image(data: bytes) -> None:
    from gateway.wire.dicom.picture import picture_of
    from gateway.wire.dicom.rendering import Rendering
    from gateway.wire.dicom.web_metadata import metadata_of

    metadata_of(data, "https://a.example/1")
    picture_of(data, Rendering())


def _renditions() -> list[bytes]:
    """The images, and two that were written here: an HTJ2K file and its bare code stream."""
    import numpy as np

    from gateway.compression.codecs import encode_frame
    from gateway.compression.permitted import HTJ2K_LOSSLESS_RPCL
    from gateway.domain.delivery_plan import Coding
    from gateway.domain.pixels import PixelFacts

    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    facts = PixelFacts(rows=64, columns=64, bits_stored=12)
    stream = encode_frame(pixels, Coding(syntax=HTJ2K_LOSSLESS_RPCL), facts)
    fragments = encapsulated([even(stream)], [0])
    return [
        *_images(),
        image_of(pixels, HTJ2K_LOSSLESS_RPCL, BitsStored=12, PixelData=fragments),
        stream,
    ]


def _run_rendition(data: bytes) -> None:
    """Written again without loss and with, and looked at by its beginning."""
    from gateway.compression.derivation import Derivation
    from gateway.compression.first_look import beginning_bytes, decode_prefix, look_at
    from gateway.compression.permitted import HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSY
    from gateway.compression.transcode import transcode
    from gateway.domain import EXPLICIT_LITTLE_ENDIAN
    from gateway.domain.delivery_plan import Coding

    if data.startswith(b"\xff\x4f"):
        decode_prefix(data, 2, rows=64, columns=64)
        return
    derivation = Derivation(instance=Uid("2.25.1"), series=Uid("2.25.2"))
    transcode(BytesIO(data), BytesIO(), Coding(syntax=EXPLICIT_LITTLE_ENDIAN))
    out = BytesIO()
    transcode(BytesIO(data), out, Coding(syntax=HTJ2K_LOSSLESS_RPCL))
    look_at(BytesIO(out.getvalue()[: beginning_bytes(out, 2)]))
    lossy = Coding(syntax=HTJ2K_LOSSY, step=2.0)
    transcode(BytesIO(data), BytesIO(), lossy, derivation=derivation)


def _run_look(data: bytes) -> None:
    """The beginning of an image, looked at as it comes."""
    from gateway.compression.first_look import beginning_bytes, look_at

    look_at(BytesIO(data))
    beginning_bytes(BytesIO(data), 1)


TARGETS: Final[tuple[Target, ...]] = (
    Target("envelope", _envelopes, _run_envelope),
    Target("multipart", _multiparts, _run_multipart),
    Target("ebrim", _ebrims, _run_ebrim),
    Target("hl7v3", _hl7v3s, _run_hl7v3),
    Target("manifest", _manifests, _run_manifest),
    Target("image", _images, _run_image),
    Target("rendition", _renditions, _run_rendition),
    Target("look", _renditions, _run_look),
)
