"""XOP includes and the headers of an MTOM message: what stands where a document was taken out.

Not the multipart framing (`gateway.wire.multipart`) and not the transport of attachments: here
only the names that tie an element of the root part to a part beside it. Clauses: W3C XOP 1.0,
MTOM 1.0, RFC 2387 and RFC 2392.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import quote, unquote

from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap.envelope import quote_parameter
from gateway.wire.xml import XOP, Element, escape_attr, path_of, quoted

INCLUDE: Final = f"{{{XOP}}}Include"
# What is put back into the tree is small: signature values, certificates, a short document. The
# same part may be included any number of times, so the sum counts.
MAX_INLINED_BYTES: Final = 16 * 1024 * 1024
# Encoded once by the rule, twice by mistake; beyond that it is a game.
_DECODINGS: Final = 3
# Characters of a content id that stand as they are in a cid URL (RFC 2392, RFC 3986).
_CID_SAFE: Final = "@!$&'()*+,;=:"
_CID: Final = re.compile(r"[^<> \t\r\n\x80-\U0010ffff]+")


def mtom_content_type(*, boundary: str, root_id: str, action: str) -> str:
    """The Content-Type of the whole message, on one line; `root_id` with or without brackets."""
    return (
        f"multipart/related; boundary={quote_parameter(boundary)}; "
        f'type="application/xop+xml"; start={quote_parameter(_bracketed(root_id))}; '
        f'start-info="application/soap+xml"; action={quote_parameter(action)}'
    )


def root_headers(root_id: str) -> tuple[tuple[str, str], ...]:
    """The headers of the root part, which holds the envelope."""
    return (
        ("Content-Type", 'application/xop+xml; charset=UTF-8; type="application/soap+xml"'),
        ("Content-Transfer-Encoding", "binary"),
        ("Content-ID", _bracketed(root_id)),
    )


def attachment_headers(
    cid: str, mime_type: str, size: int | None = None
) -> tuple[tuple[str, str], ...]:
    """The headers of a part that holds a document; `size` in bytes where it is known."""
    headers = (
        ("Content-Type", mime_type),
        ("Content-Transfer-Encoding", "binary"),
        ("Content-ID", _bracketed(cid)),
    )
    return headers if size is None else (*headers, ("Content-Length", str(size)))


def xop_include(cid: str) -> bytes:
    """The element that stands for a part; the only child of an element of base64 content."""
    href = escape_attr("cid:" + quote(_bare(cid), safe=_CID_SAFE))
    return f'<xop:Include xmlns:xop="{XOP}" href="{href}"/>'.encode()


def included_cid(element: Element) -> str | None:
    """The normalised id of the part that stands for an element's content; None when the content
    is there itself. An include beside other content, or of something else than a part of this
    message, is a `DecodeError`."""
    includes = element.findall(INCLUDE)
    if not includes:
        return None
    texts = (element.text or "", *(child.tail or "" for child in element))
    if len(element) != 1 or any(text.strip() for text in texts):
        raise DecodeError(path_of(element), "xop:Include beside other content", "it alone", "XOP 2")
    return _cid_of(includes[0])


def _cid_of(include: Element) -> str:
    href = (include.get("href") or "").strip()
    if href[:4].lower() != "cid:" or len(href) == 4:
        raise DecodeError(path_of(include), f"href {quoted(href)!r}", "a cid: URL", "XOP 4.1")
    return normal_cid(href)


def find_root(params: Mapping[str, str]) -> str:
    """The normalised id of the root part from the parameters of the outer Content-Type; "" when
    there is no start: then the first part is the root (RFC 2387, 3.2)."""
    return normal_cid(params.get("start", ""))


def normal_cid(text: str) -> str:
    """The form in which ids of parts are compared, whether from a Content-ID, a start or an href.

    Brackets, `cid:` and percent-encoding are taken off. Decoding is repeated, so that an id that
    holds a percent sign is found whether or not its sender encoded it.
    """
    bare = _bare(text)
    for _ in range(_DECODINGS):
        decoded = unquote(bare)
        if decoded == bare:
            break
        bare = decoded
    return bare


def inline_includes(
    root: Element, parts: Mapping[str, bytes], *, keep: Collection[str] = ()
) -> None:
    """Put parts back into the tree as base64, in place of every xop:Include below `root`.

    `parts` are contents by normalised id. Includes of an id in `keep` stay, for documents that
    are read elsewhere; one of any other id that is not in `parts` is a `DecodeError`.
    """
    inlined = 0
    for include in list(root.iter(INCLUDE)):
        holder = include.getparent()
        if holder is None:
            raise DecodeError("/", "xop:Include as the root", "an envelope", "XOP 2")
        cid = included_cid(holder)
        if cid is None or cid in keep:
            continue
        content = parts.get(cid)
        if content is None:
            raise DecodeError(
                path_of(include), f"no part with the Content-ID {quoted(cid)}", "one", "XOP 3.2"
            )
        inlined += len(content)
        if inlined > MAX_INLINED_BYTES:
            raise DecodeError(
                path_of(include), f"{inlined} bytes of included parts", f"{MAX_INLINED_BYTES}"
            )
        holder.remove(include)
        holder.text = b64encode(content).decode("ascii")


def _bare(text: str) -> str:
    bare = text.strip()
    if bare[:4].lower() == "cid:":
        bare = bare[4:]
    return bare.removeprefix("<").removesuffix(">").strip()


def _bracketed(cid: str) -> str:
    bare = _bare(cid)
    if not _CID.fullmatch(bare):
        raise EncodeError(f"{cid!r} cannot be the id of a part")
    return f"<{bare}>"
