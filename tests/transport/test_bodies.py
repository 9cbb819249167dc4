"""SOAP bodies as streams: read however they are cut up, written as long as they say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import (
    AnnouncedInstance,
    BytesContent,
    ImageChunk,
    InstanceRef,
    Oid,
    Refusal,
    Uid,
)
from gateway.transport import bodies
from gateway.transport.bodies import (
    AttachmentChunk,
    IncomingBody,
    OutgoingBody,
    OutgoingPart,
    cut_short,
)
from gateway.wire.problems import DecodeError

ENVELOPE = b"<Envelope>\r\n--not a boundary</Envelope>"
PLAIN = 'multipart/related; boundary="b"; type="application/xop+xml"'
STARTED = PLAIN + '; start="<root@x>"'


def part(cid: str, data: bytes, *headers: str) -> bytes:
    """One part, with its boundary before it."""
    lines = [f"Content-ID: <{cid}>", *headers] if cid else list(headers)
    return b"--b\r\n" + "\r\n".join([*lines, "", ""]).encode() + data + b"\r\n"


ROOT = part("root@x", ENVELOPE, "Content-Type: application/xop+xml")
END = b"--b--\r\n"


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    """Bytes as they might arrive."""
    for piece in data:
        yield piece


def incoming(*data: bytes, content_type: str = STARTED, limit: int = 10_000) -> IncomingBody:
    return IncomingBody(content_type, pieces(*data), limit=limit)


async def read(body: IncomingBody) -> tuple[bytes, dict[str, bytes]]:
    return await body.root(), await body.small_attachments(10_000)


# --- simple bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["application/soap+xml; charset=utf-16", "TEXT/XML", "application/xml", ""]
)
async def test_a_simple_body_is_the_envelope(content_type: str) -> None:
    """Whatever media type of XML it is given, or none."""
    body = incoming(b"<a>", b"", b"</a>", content_type=content_type)

    assert not body.is_mtom
    assert await read(body) == (b"<a></a>", {})
    assert body.charset == ("utf-16" if "charset" in content_type else "")


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "multipart/form-data; boundary=b", "multipart/related", "multipart/related; x"],
)
def test_what_cannot_be_soap_is_refused_before_it_is_read(content_type: str) -> None:
    """Another media type, or parts without a boundary."""
    with pytest.raises(DecodeError, match="Content-Type"):
        incoming(content_type=content_type)


@pytest.mark.parametrize(
    ("content_type", "data"),
    [("text/xml", (b"x" * 6, b"x" * 5)), (STARTED, (part("root@x", b"x" * 11),))],
)
async def test_an_envelope_over_the_limit_is_refused(
    content_type: str, data: tuple[bytes, ...]
) -> None:
    """As soon as it is over, with the limit named."""
    with pytest.raises(DecodeError, match="at most 10"):
        await incoming(*data, content_type=content_type, limit=10).root()


# --- MTOM, read -----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
async def test_any_split_gives_the_same_parts(cuts: Sequence[int]) -> None:
    """Where the network cuts means nothing."""
    whole = ROOT + part("a@x", b"\r\n--" * 9) + part("b@x", b"") + part("c@x", b"C" * 50) + END
    at = [0, *sorted(cuts), len(whole)]

    split = [whole[start:end] for start, end in pairwise(at)]

    expected = {"a@x": b"\r\n--" * 9, "b@x": b"", "c@x": b"C" * 50}
    assert await read(incoming(*split)) == (ENVELOPE, expected)


@pytest.mark.parametrize(
    ("content_type", "root"),
    [
        (PLAIN, ROOT),
        (PLAIN, part("", ENVELOPE)),
        (PLAIN + '; start="root@x"', ROOT),
        (STARTED, part("root%40x", ENVELOPE)),
        (STARTED.replace("multipart/related", "Multipart/Related"), ROOT),
    ],
    ids=["no start", "no Content-ID", "start without brackets", "id encoded", "capitals"],
)
async def test_roots_are_found_as_live_peers_name_them(content_type: str, root: bytes) -> None:
    """The first part without a start; otherwise the one it names."""
    body = incoming(root, part("a@x", b"A"), END, content_type=content_type)

    assert await read(body) == (ENVELOPE, {"a@x": b"A"})


@pytest.mark.parametrize(
    ("encoding", "sent"), [("base64", b"QUJD\r\nREVG"), ("quoted-printable", b"ABC=\r\nDE=46")]
)
async def test_transfer_encodings_are_undone(encoding: str, sent: bytes) -> None:
    """Of root and attachments alike."""
    header = f"Content-Transfer-Encoding: {encoding}"
    body = incoming(part("root@x", sent, header), part("a@x", sent, header), END)

    assert await read(body) == (b"ABCDEF", {"a@x": b"ABCDEF"})


async def test_parts_before_the_root_wait_for_it() -> None:
    """They are told after it, whole and in their order."""
    body = incoming(part("a@x", b"A" * 30), part("b@x", b""), ROOT, part("c@x", b"C"), END)

    root = await body.root()
    chunks = [chunk async for chunk in body.attachments()]

    assert root == ENVELOPE
    assert [chunk.cid for chunk in chunks if chunk.last] == ["a@x", "b@x", "c@x"]
    assert b"".join(chunk.data for chunk in chunks) == b"A" * 30 + b"C"
    assert chunks[0].headers == (("Content-ID", "<a@x>"),)


async def test_no_more_than_a_limit_waits_for_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all parts before it together: many small ones fill a disk as well as a large one."""
    monkeypatch.setattr(bodies, "MAX_EARLY_BYTES", 100)
    early = [part(f"{number}@x", b"E" * 30) for number in range(4)]

    assert (await incoming(*early[:3], ROOT, END).root()) == ENVELOPE
    with pytest.raises(DecodeError, match="root part first"):
        await incoming(*early, ROOT, END).root()


@pytest.mark.parametrize("name", ["\0root", "%00root", "%2500root"])
async def test_no_attachment_can_pose_as_the_root(name: str) -> None:
    """Whatever it is called."""
    body = incoming(part(name, b"<Posing/>"), ROOT, END)

    assert await body.root() == ENVELOPE


async def test_two_parts_of_one_id_make_a_body_unusable() -> None:
    """Nobody knows which is meant; parts without an id are nobody's, however many there are."""
    body = incoming(ROOT, part("a@x", b"A"), part("a@x", b"B"), END)
    await body.root()
    with pytest.raises(DecodeError, match="a@x twice"):
        await body.small_attachments(100)

    unnamed = incoming(ROOT, part("", b"A"), part("", b"B"), part("a@x", b"C"), END)
    assert (await read(unnamed))[1]["a@x"] == b"C"


async def test_a_body_without_its_root_is_refused() -> None:
    """The id looked for is named."""
    with pytest.raises(DecodeError, match="root@x"):
        await incoming(part("a@x", b"A"), END).root()
    with pytest.raises(DecodeError):
        await incoming(END, content_type=PLAIN).root()


async def test_small_attachments_have_a_limit_together() -> None:
    """Not each."""
    body = incoming(ROOT, part("a@x", b"A" * 6), part("b@x", b"B" * 5), END)
    await body.root()

    with pytest.raises(DecodeError, match="at most 10"):
        await body.small_attachments(10)


async def test_a_part_the_body_ended_in_is_not_whole() -> None:
    """A missing closing boundary marks the part it leaves open, and no other."""
    body = incoming(ROOT, part("a@x", b"A"), part("b@x", b"B" * 20)[:-10])
    await body.root()

    ends = {chunk.cid: chunk.whole async for chunk in body.attachments() if chunk.last}

    assert ends == {"a@x": True, "b@x": False}


def test_a_cut_body_is_the_peers_misbehaviour() -> None:
    """And the part is named."""
    assert cut_short("a@x").refusal is Refusal.PEER_MISBEHAVED
    assert "a@x" in cut_short("a@x").text


# --- MTOM, written --------------------------------------------------------------------------------


def outgoing() -> OutgoingBody:
    return OutgoingBody(ENVELOPE, boundary="b", root_id="root@x")


async def _all(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("sizes", [(), (0,), (1, 1_000, 7)])
async def test_a_body_with_documents_is_as_long_as_it_says(sizes: tuple[int, ...]) -> None:
    """And reads back as what went in, each part with its length."""
    parts = [
        OutgoingPart(cid=f"{n}@x", mime_type="application/pdf", content=BytesContent(b"d" * size))
        for n, size in enumerate(sizes)
    ]

    sent = await _all(outgoing().documents(parts)) + outgoing().tail

    assert len(sent) == outgoing().documents_length(parts)
    assert await read(incoming(sent)) == (
        ENVELOPE,
        {f"{n}@x": b"d" * size for n, size in enumerate(sizes)},
    )
    assert sent.count(b"Content-Length: ") == len(sizes)


async def test_a_body_with_the_root_alone_reads_back() -> None:
    """As requests are sent."""
    assert await read(incoming(outgoing().alone())) == (ENVELOPE, {})


def announced(instance: str, size: int | None) -> AnnouncedInstance:
    ref = InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid(instance))
    return AnnouncedInstance(ref=ref, repository=Oid("2.999.3"), size_bytes=size)


async def _chunks(pieces: dict[str, tuple[bytes, ...]]) -> AsyncIterator[ImageChunk]:
    for instance, parts in pieces.items():
        for number, data in enumerate(parts, 1):
            yield ImageChunk(Uid(instance), data, number == len(parts))


async def test_a_body_with_images_is_as_long_as_it_says() -> None:
    """Instances in several chunks, one, and an empty last one."""
    pieces = {"1.1": (b"a" * 10, b"b" * 20), "1.2": (b"c",), "1.3": (b"d" * 5, b"")}
    listed = [announced(uid, sum(map(len, data))) for uid, data in pieces.items()]
    cids = {uid: f"image-{uid}@x" for uid in pieces}

    sent = await _all(outgoing().images(listed, _chunks(pieces), cids)) + outgoing().tail

    assert len(sent) == outgoing().images_length(listed, cids)
    expected = {cids[uid]: b"".join(data) for uid, data in pieces.items()}
    assert await read(incoming(sent)) == (ENVELOPE, expected)
    assert sent.count(b"application/dicom") == 3


async def test_one_image_of_unknown_size_leaves_the_length_open() -> None:
    """Decoded on the way: nobody knows yet; its part states none."""
    listed = [announced("1.1", 3), announced("1.2", None)]
    cids = {"1.1": "1@x", "1.2": "2@x"}

    sent = await _all(outgoing().images(listed, _chunks({"1.1": (b"abc",), "1.2": (b"d",)}), cids))

    assert outgoing().images_length(listed, cids) is None
    assert sent.count(b"Content-Length: ") == 1
    assert await read(incoming(sent)) == (ENVELOPE, {"1@x": b"abc", "2@x": b"d"})


async def test_attachments_pass_in_the_pieces_they_arrive_in() -> None:
    """Nothing gathers a part before it hands it on."""
    body = incoming(
        ROOT + b"--b\r\nContent-ID: <a@x>\r\n\r\n", b"1" * 100, b"2" * 100, b"\r\n", END
    )
    await body.root()

    chunks: list[AttachmentChunk] = [chunk async for chunk in body.attachments()]

    assert len([chunk for chunk in chunks if chunk.data]) >= 2
    assert b"".join(chunk.data for chunk in chunks) == b"1" * 100 + b"2" * 100
