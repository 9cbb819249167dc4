"""XOP includes: an element and the part that stands for it find each other, however named."""

from __future__ import annotations

from base64 import b64decode
from itertools import product
from pathlib import Path

import pytest

from gateway.wire.multipart import (
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    closing,
    decode_transfer,
    part_head,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import mtom
from gateway.wire.soap.envelope import parse_content_type, read_envelope, write_envelope
from gateway.wire.soap.mtom import (
    attachment_headers,
    find_root,
    included_cid,
    inline_includes,
    mtom_content_type,
    normal_cid,
    root_headers,
    xop_include,
)
from gateway.wire.xml import XOP, Element, parse_xml, text_of
from tests.shared import shared

CONTENT = bytes(range(256)) * 3


def _holder(inner: bytes) -> Element:
    return parse_xml(b"<d>" + inner + b"</d>")


def _parts(content_type: str, body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The root part and the attachments by normalised id, as a transport gathers them."""
    _, params = parse_content_type(content_type)
    reader = MultipartReader(params["boundary"])
    contents: dict[str, bytes] = {}
    first = cid = ""
    events = reader.feed(body)
    reader.finish()
    for event in (*events, *reader.tail):
        match event:
            case PartBegin():
                cid = normal_cid(event.header("Content-ID"))
                first = first or cid
                decoder = decode_transfer(event.header("Content-Transfer-Encoding"))
                contents[cid] = b""
            case PartData(data):
                contents[cid] += decoder.update(data)
            case PartEnd():
                contents[cid] += decoder.finish()
    return contents.pop(find_root(params) or first), contents


@pytest.mark.parametrize(
    "cid", ["1.urn:uuid:3D4B@apache.org", "a b@c", "50%@x", "ünï@x", "a&b<c>\"'@x", "a#b?c/d"]
)
def test_an_include_names_its_part(cid: str) -> None:
    """Whatever characters an id has, the include reads back as the same id."""
    assert included_cid(_holder(xop_include(cid))) == normal_cid(cid)


def test_an_include_brings_its_own_namespace() -> None:
    """The element can be put anywhere, and holds nothing but its href."""
    include = _holder(xop_include("doc@x"))[0]

    assert include.tag == f"{{{XOP}}}Include"
    assert dict(include.attrib) == {"href": "cid:doc@x"}


@pytest.mark.parametrize(
    ("sent", "compared"),
    [
        ("<a@b>", "a@b"),
        ("a@b", "a@b"),
        (" <a@b> ", "a@b"),
        ("cid:a@b", "a@b"),
        ("CID:a%40b", "a@b"),
        ("cid:a%23b%2Fc", "a#b/c"),
        ("a%2540b", "a@b"),
        ("cid:100%", "100%"),
        ("cid:%ff", "\ufffd"),
        ("", ""),
    ],
)
def test_ids_are_compared_in_one_form(sent: str, compared: str) -> None:
    """Brackets, scheme and percent-encoding make no difference, on either side."""
    assert normal_cid(sent) == compared


def test_an_endless_percent_encoding_is_not_followed() -> None:
    """Decoding stops after a few rounds; a long id costs no more than its length."""
    assert len(normal_cid("cid:%" + "25" * 100_000)) > 100_000


def test_the_root_is_named_by_start_with_or_without_brackets() -> None:
    """Old Axis2 leaves the brackets out; no start means the first part."""
    assert find_root({"start": "<r@x>"}) == find_root({"start": "r@x"}) == "r@x"
    assert find_root({}) == ""


def test_an_element_with_its_content_in_place_has_no_include() -> None:
    """Inline base64, blanks and other elements are simply not an include."""
    assert included_cid(_holder(b"QUJD")) is None
    assert included_cid(_holder(b"")) is None
    assert included_cid(_holder(b"<x/>")) is None


def test_blanks_around_an_include_are_forgiven() -> None:
    """A pretty-printed include is an include, though XOP allows no blanks."""
    assert included_cid(_holder(b"\n  " + xop_include("a") + b"\n")) == "a"


@pytest.mark.parametrize(
    "inner",
    [
        xop_include("a") * 2,
        xop_include("a") + b"QUJD",
        b"QUJD" + xop_include("a"),
        xop_include("a") + b"<x/>",
        f'<x:Include xmlns:x="{XOP}"/>'.encode(),
        f'<x:Include xmlns:x="{XOP}" href=""/>'.encode(),
        f'<x:Include xmlns:x="{XOP}" href="cid:"/>'.encode(),
        f'<x:Include xmlns:x="{XOP}" href="file:///etc/passwd"/>'.encode(),
        f'<x:Include xmlns:x="{XOP}" href="http://a.example/doc"/>'.encode(),
    ],
)
def test_an_include_that_is_none_is_refused(inner: bytes) -> None:
    """Mixed content, and anything outside this message, is a DecodeError with its path."""
    with pytest.raises(DecodeError) as caught:
        included_cid(_holder(inner))

    assert caught.value.where.startswith("/d")


def test_includes_are_put_back_as_base64() -> None:
    """A part included twice, as .NET senders do with certificates, is put back twice."""
    root = _holder(b"<x>" + xop_include("a@b") + b"</x><y>\n" + xop_include("a@b") + b"</y>")

    inline_includes(root, {"a@b": CONTENT})

    assert [b64decode(text_of(child)) for child in root] == [CONTENT, CONTENT]
    assert next(root.iter(f"{{{XOP}}}Include"), None) is None


def test_documents_read_elsewhere_stay_includes() -> None:
    """What lies in a store and not in memory is left as a reference."""
    root = _holder(b"<x>" + xop_include("small") + b"</x><y>" + xop_include("large") + b"</y>")

    inline_includes(root, {"small": b"s"}, keep={"large"})

    assert text_of(root[0]) == "cw=="
    assert included_cid(root[1]) == "large"


def test_a_missing_part_is_refused() -> None:
    """An include of a part that did not come is a DecodeError that names it."""
    with pytest.raises(DecodeError, match="nowhere"):
        inline_includes(_holder(xop_include("nowhere")), {})


def test_an_include_as_root_is_refused() -> None:
    """There is nothing to put the content into."""
    with pytest.raises(DecodeError):
        inline_includes(parse_xml(xop_include("a")), {"a": b""})


def test_one_part_included_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of what is put back has a limit, however small the message."""
    monkeypatch.setattr(mtom, "MAX_INLINED_BYTES", 1000)
    root = _holder((b"<x>" + xop_include("a") + b"</x>") * 11)

    with pytest.raises(DecodeError, match="bytes of included parts"):
        inline_includes(root, {"a": b"x" * 100})


def test_the_outer_content_type_is_complete_and_on_one_line() -> None:
    """Type, start with brackets, start-info and action; a boundary with colons is quoted."""
    value = mtom_content_type(boundary="uuid:1", root_id="r@x", action="urn:a")

    media_type, params = parse_content_type(value)

    assert media_type == "multipart/related"
    assert params == {
        "boundary": "uuid:1",
        "type": "application/xop+xml",
        "start": "<r@x>",
        "start-info": "application/soap+xml",
        "action": "urn:a",
    }
    assert "\n" not in value


def test_part_headers_are_those_of_mtom() -> None:
    """The root is XOP, an attachment has its own type; ids are in brackets once."""
    assert dict(root_headers("<r@x>"))["Content-ID"] == "<r@x>"
    assert dict(root_headers("r@x"))["Content-Type"].startswith("application/xop+xml")
    assert dict(attachment_headers("d@x", "application/dicom", 7)) == {
        "Content-Type": "application/dicom",
        "Content-Transfer-Encoding": "binary",
        "Content-ID": "<d@x>",
        "Content-Length": "7",
    }


@pytest.mark.parametrize("cid", ["", "a b", "a\r\nb", "<a><b>", "ü@x"])
def test_an_id_no_header_can_carry_is_not_written(cid: str) -> None:
    """Ids are ours to choose; a bad one is an EncodeError."""
    with pytest.raises(EncodeError):
        attachment_headers(cid, "text/plain", None)


WAYS = [
    case
    for case in product(
        (True, False),
        ("<r@x>", "r@x", ""),
        (True, False),
        ("binary", "base64", "8bit", ""),
        (True, False),
    )
    if case[0] or case[1]  # without start the root comes first (RFC 2387)
]


def test_every_way_peers_package_a_message_is_read() -> None:
    """Root first or last, start in any form, cid encoded or not, any encoding, open or closed."""
    wrong = []
    for way in WAYS:
        try:
            data, attachments = _parts(*_packaged(*way))
            read = read_envelope(data)
            inline_includes(read.root, attachments)
            found = b64decode(text_of(read.body))
        except DecodeError as error:
            wrong.append((way, str(error)))
        else:
            if found != (CONTENT if "base64" not in way else b"ABCDEF"):
                wrong.append((way, found[:20].hex()))
    assert wrong == []


def _packaged(
    root_first: bool, start: str, encoded: bool, cte: str, closed: bool
) -> tuple[str, bytes]:
    """The Content-Type and the body."""
    boundary = "=_x:+1"
    href = "cid:d%40x" if encoded else "cid:d@x"
    include = f'<i:Include xmlns:i="{XOP}" href="{href}"/>'.encode()
    envelope = write_envelope(b"<d>" + include + b"</d>", action="urn:a")
    content = CONTENT if cte != "base64" else b"QUJD\r\nREVG"
    root = (root_headers("r@x"), envelope)
    attachment = (
        (("content-id", "<d@x>"), *((("Content-Transfer-Encoding", cte),) if cte else ())),
        content,
    )
    parts = [root, attachment] if root_first else [attachment, root]
    body = b"".join(
        part_head(boundary, headers, first=index == 0) + data
        for index, (headers, data) in enumerate(parts)
    )
    body += closing(boundary) if closed else b""
    value = f'Multipart/Related; type="text/xml"; BOUNDARY="{boundary}"'
    value += f'; start="{start}"' if start else ""
    return value, body


@pytest.mark.parametrize("name", ["toolkit2-multipart.body.txt", "toolkit2-PnrXop-Xop-body.txt"])
def test_published_bodies_of_a_wire_log_are_read(name: str) -> None:
    """Bodies with bare line feeds and several attachments: every include finds its part."""
    body = Path(shared(f"samples/soap/wire/{name}")).read_bytes()
    boundary = body[2:].partition(b"\n")[0].decode()

    data, attachments = _parts(f'multipart/related; boundary="{boundary}"', body)
    envelope = read_envelope(data)

    assert envelope.action == "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
    includes = [include.getparent() for include in envelope.root.iter(f"{{{XOP}}}Include")]
    assert includes
    for holder in includes:
        assert holder is not None
        assert included_cid(holder) in attachments


def test_a_published_request_of_a_wire_log_is_read() -> None:
    """A whole HTTP request of Axis2: blanks behind the boundary, ids with colons."""
    text = Path(shared("samples/soap/wire/toolkit2-http-mtom-pnr.txt")).read_bytes()
    head, _, body = text.partition(b"\n\n")
    header = next(line for line in head.splitlines() if line.startswith(b"Content-Type"))

    data, attachments = _parts(header.partition(b":")[2].decode(), body)
    envelope = read_envelope(data)
    inline_includes(envelope.root, attachments)

    assert len(attachments) >= 1
    assert next(envelope.root.iter(f"{{{XOP}}}Include"), None) is None
