"""Addresses of images in another community (XC-WADO), as MADO prints them.

A gateway finds the next one by the home community id, and the image source by its Retrieve
Location UID or by the `retrieveurl` a manifest gave. That URL is hostile until
`web.resolve_base` let it pass. Clauses: IHE RAD MADO appendix XA, XC-WADO 58.4.1.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

from gateway.domain import CommunityId, InvalidIdentifier, Oid, Refusal, refuse
from gateway.wire.dicom.web import (
    ImageScope,
    path_segments,
    query_value,
    scope_of_segments,
    write_path,
)
from gateway.wire.problems import DecodeError

_HOME: Final = "homeCommunityId"
_LOCATION: Final = "RetrieveLocationUID"
_RETRIEVE_URL: Final = "retrieveurl"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_RULE: Final = "XC-WADO 58.4.1.5"
_O = TypeVar("_O", bound=Oid)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossAddress:
    """Images of a community, where in it they are, and which of them.

    `retrieve_url` is the base the manifest named, with its scheme; "" in location mode.
    """

    community: CommunityId
    location: Oid
    scope: ImageScope
    retrieve_url: str = ""


def is_xc_path(path: str) -> bool:
    """Whether a raw path is meant to be an address across communities."""
    return path.lstrip("/").lower().startswith(f"{_HOME.lower()}/")


def parse_xc_path(path: str, query: str = "") -> CrossAddress:
    """The address in a raw path, relative to the gateway's base, and its raw query string.

    The words of the path may be in any case, `study` and `studies` are the same, identifiers may
    carry `urn:oid:`, and `retrieveurl` its scheme. Raises as `web.parse_path` does.
    """
    words = path_segments(path)
    if len(words) < 4 or (words[0].lower(), words[2].lower()) != (_HOME.lower(), _LOCATION.lower()):
        raise refuse(
            Refusal.UNSUPPORTED,
            f"an address across communities begins with /{_HOME}/…/{_LOCATION}/…/",
            subject="path",
        )
    return CrossAddress(
        community=_identifier(CommunityId, words[1], _HOME),
        location=_identifier(Oid, words[3], _LOCATION),
        scope=scope_of_segments(words[4:]),
        retrieve_url=_with_scheme(query_value(query, _RETRIEVE_URL) or ""),
    )


def read_crossed(retrieve_url: str) -> tuple[CommunityId, Oid, str] | None:
    """Community, location and inner URL of a Retrieve URL that a gateway has rewritten already.

    None of any other. The inner URL is "" in location mode. Such an address is not to be wrapped
    into another: gateways rewrite once.
    """
    path, _, query = retrieve_url.partition("?")
    words = path.split("/")
    plain = [word.lower() for word in words]
    at = plain.index(_HOME.lower()) if _HOME.lower() in plain else len(words)
    if plain[at + 2 : at + 3] != [_LOCATION.lower()] or len(words) < at + 4:
        return None
    try:
        community, location = CommunityId.parse(words[at + 1]), Oid.parse(words[at + 3])
        inner = query_value(query, _RETRIEVE_URL)
    except (InvalidIdentifier, DecodeError):
        return None
    return community, location, _with_scheme(inner or "")


def _with_scheme(url: str) -> str:
    bare = url.strip(" ")
    return bare if not bare or _SCHEME.match(bare) else f"https://{bare}"


def _identifier(kind: type[_O], text: str, where: str) -> _O:
    try:
        return kind.parse(text)
    except InvalidIdentifier as error:
        raise DecodeError(f"path, {where}", repr(error.found), error.expected, _RULE) from None


def write_xc_path(address: CrossAddress, *, singular: bool = True) -> str:
    """The path and query of an address, relative to a gateway's base; begins with a slash.

    `singular` writes `study` as XC-WADO prints it, otherwise `studies` as DICOMweb does. The
    retrieve URL goes without its scheme if that is https, and ends with a slash.
    """
    images = write_path(address.scope)
    if singular:
        images = "/study" + images.removeprefix("/studies")
    path = f"/{_HOME}/{address.community}/{_LOCATION}/{address.location}{images}"
    if not address.retrieve_url:
        return path
    url = address.retrieve_url.removeprefix("https://").rstrip("/") + "/"
    return f"{path}?{_RETRIEVE_URL}={quote(url, safe='')}"
