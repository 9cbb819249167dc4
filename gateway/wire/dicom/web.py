"""Addresses of DICOMweb: which study, series, instance or frames, and in which form.

Paths are relative to the base of a DICOMweb service, percent-encoded as they were sent. Only
retrieval is here (WADO-RS, RAD-107): searches and stores are refused as not offered. Addresses
across communities are in `web_cross`, the parameters of rendering in `rendering`. Clauses: DICOM
PS3.18 8.2 and 10.4.1 (resources), PS3.5 9.1 (UIDs).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from urllib.parse import quote, unquote

from gateway.domain import ExchangeError, InstanceRef, InvalidIdentifier, Refusal, Uid, refuse
from gateway.wire.problems import QUERY_SIZE, DecodeError, EncodeError

# The longest of ours, with three UIDs and a list of frames, stays below 1 kB; bulk data of deep
# sequences and long lists of frames get room.
MAX_PATH: Final = 8 * 1024
MAX_QUERY: Final = 8 * 1024
MAX_QUERY_PARAMETERS: Final = 64
# As many frames as one request may name: a list of all fits a path of this length anyway.
MAX_FRAMES: Final = 1024
MAX_FRAME_NUMBER: Final = 2**31 - 1  # Number of Frames is an IS (PS3.5 6.2)

_RULE: Final = "PS3.18 10.4.1"
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ADDRESS: Final = re.compile(
    r"""(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,20})://
        (?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])
        (?::(?P<port>[0-9]{0,5}))?
        (?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,1000})?""",
    re.VERBOSE,
)
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class View(StrEnum):
    """In which form instances are asked for; the value is the last word of the path.

    `PLAN` and `CERTIFICATE` are no resources of DICOMweb but of this gateway: how the instances
    would come, and what was done to those that went out in one delivery.
    """

    INSTANCES = ""
    METADATA = "metadata"
    FRAMES = "frames"
    BULKDATA = "bulkdata"
    PIXELDATA = "pixeldata"
    RENDERED = "rendered"
    THUMBNAIL = "thumbnail"
    PLAN = "delivery-plan"
    CERTIFICATE = "fidelity-certificate"


# FRAMES is not among them: without its list it says nothing.
_OF_INSTANCES: Final = frozenset(View) - {View.FRAMES}
_OF_FRAMES: Final = frozenset({View.RENDERED, View.THUMBNAIL})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScope:
    """What a DICOMweb path asks for: a study, or within it a series, an instance, some frames.

    `frames` are numbered from 1 and come in the order asked for. `bulk` is the rest of the path
    of one bulk value of an instance, segment by segment. `EncodeError` when the parts do not go
    together, such as an instance without its series.
    """

    study: Uid
    series: Uid | None = None
    instance: Uid | None = None
    frames: tuple[int, ...] = ()
    view: View = View.INSTANCES
    bulk: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.instance is not None and self.series is None:
            raise EncodeError("an instance is addressed within its series")
        if self.frames:
            if self.instance is None:
                raise EncodeError("frames are addressed within their instance")
            if self.view is not View.FRAMES and self.view not in _OF_FRAMES:
                raise EncodeError(f"frames cannot be asked for as {self.view or 'instances'}")
            if len(self.frames) > MAX_FRAMES:
                raise EncodeError(f"{len(self.frames)} frames in one address, over {MAX_FRAMES}")
            if not all(0 < frame <= MAX_FRAME_NUMBER for frame in self.frames):
                raise EncodeError("frames are numbered from 1")
        elif self.view is View.FRAMES:
            raise EncodeError("frames need at least one number")
        if self.bulk and (self.view is not View.BULKDATA or self.instance is None):
            raise EncodeError("only an instance has single bulk values")
        if any(part in ("", ".", "..") or _CONTROL.search(part) for part in self.bulk):
            raise EncodeError("the path of a bulk value has a segment that cannot be one")

    @classmethod
    def of(cls, ref: InstanceRef, view: View = View.INSTANCES) -> Self:
        """The scope of one instance."""
        return cls(study=ref.study, series=ref.series, instance=ref.instance, view=view)

    @property
    def ref(self) -> InstanceRef | None:
        """The instance in its place, None for a whole study or series."""
        if self.series is None or self.instance is None:
            return None
        return InstanceRef(study=self.study, series=self.series, instance=self.instance)


def parse_path(path: str) -> ImageScope:
    """What a path below the base of a DICOMweb service asks for.

    Trailing and doubled slashes do not count, and `study` passes for `studies` as XC-WADO prints
    it. Raises `DecodeError` for wrong UIDs, frames and escapes, and refuses with
    `Refusal.UNSUPPORTED` what is no resource of retrieval.
    """
    return scope_of_segments(path_segments(path))


def is_search(path: str) -> bool:
    """Whether a raw path ends where a search begins: at a word that no UID follows (10.6)."""
    return path.rstrip("/").rpartition("/")[2] in ("studies", "series", "instances")


def instance_of_location(url: str) -> InstanceRef | None:
    """The instance a Content-Location or a retrieve URL names; None where it names none.

    Never fails: what a server writes there is a hint, and some write nothing.
    """
    path = url.partition("?")[0]
    at = max(path.rfind("/studies/"), path.rfind("/study/"))
    if at < 0:
        return None
    try:
        return parse_path(path[at:]).ref
    except (DecodeError, ExchangeError):
        return None


def path_segments(path: str) -> tuple[str, ...]:
    """The segments of a raw path, decoded, without empty ones; `DecodeError` for unfit ones."""
    if len(path) > MAX_PATH:
        raise DecodeError("path", f"{len(path)} characters", f"at most {MAX_PATH}")
    if not path.isascii() or "?" in path or "#" in path:
        raise DecodeError(
            "path", "characters that need escapes", "a path of a URL", "RFC 3986, 3.3"
        )
    return tuple(_decoded(part, "path") for part in path.split("/") if part)


def scope_of_segments(segments: Sequence[str]) -> ImageScope:
    """As `parse_path`, of a path already taken apart."""
    words = list(segments)
    if not words or words[0] not in ("studies", "study"):
        raise _unsupported(segments)
    if len(words) < 2:
        raise refuse(Refusal.UNSUPPORTED, "studies cannot be searched here", subject="path")
    study = _uid(words[1], "study")
    del words[:2]
    series = instance = None
    if words[:1] == ["series"]:
        series = _step(words, "series")
        if words[:1] == ["instances"]:
            instance = _step(words, "instance")
    frames: tuple[int, ...] = ()
    bulk: tuple[str, ...] = ()
    if instance is not None and words[:1] == [View.FRAMES]:
        frames = _frames(words[1] if len(words) > 1 else "")
        view = _view(words[2:], segments, _OF_FRAMES) if len(words) > 2 else View.FRAMES
    elif instance is not None and words[:1] == [View.BULKDATA]:
        view, bulk = View.BULKDATA, tuple(words[1:])
    else:
        view = _view(words, segments, _OF_INSTANCES)
    return ImageScope(
        study=study, series=series, instance=instance, frames=frames, view=view, bulk=bulk
    )


def _step(words: list[str], what: str) -> Uid:
    """The UID behind the word the path stands at, both taken off; without one it is a search."""
    if len(words) < 2:
        raise refuse(Refusal.UNSUPPORTED, f"{words[0]} cannot be searched here", subject="path")
    found = _uid(words[1], what)
    del words[:2]
    return found


def _view(words: Sequence[str], segments: Sequence[str], possible: Collection[View]) -> View:
    word = words[0] if words else ""
    if len(words) > 1 or word not in possible:
        raise _unsupported(segments)
    return View(word)


def _unsupported(segments: Sequence[str]) -> Exception:
    shown = "/".join(segments)[:120]
    text = f"there is no resource /{shown} here" if shown else "the base itself is no resource"
    return refuse(Refusal.UNSUPPORTED, text, subject="path")


def _uid(text: str, what: str) -> Uid:
    try:
        return Uid(text)
    except InvalidIdentifier as error:
        where = f"path, {what}"
        raise DecodeError(where, repr(error.found), error.expected, "PS3.5 9.1") from None


def _frames(text: str) -> tuple[int, ...]:
    found = text.split(",", MAX_FRAMES)
    if len(found) > MAX_FRAMES:
        raise DecodeError("path, frames", "a longer list", f"at most {MAX_FRAMES} frames", _RULE)
    for number in found:
        digits = number.isascii() and number.isdigit() and len(number) <= 10
        if not digits or not 0 < int(number) <= MAX_FRAME_NUMBER:
            raise DecodeError(
                "path, frames", repr(number[:40]), "numbers from 1, separated by commas", _RULE
            )
    return tuple(int(number) for number in found)


def _decoded(part: str, where: str) -> str:
    """A percent-encoded part decoded once; `DecodeError` when it cannot be, or leads elsewhere."""
    if _BAD_ESCAPE.search(part):
        raise DecodeError(where, repr(part[:80]), "whole escapes", "RFC 3986, 2.1")
    try:
        text = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise DecodeError(where, repr(part[:80]), "escapes of UTF-8", "RFC 3986, 2.5") from None
    if _CONTROL.search(text) or (where == "path" and text in (".", "..")):
        raise DecodeError(where, repr(part[:80]), "a plain segment", "RFC 3986, 3.3")
    return text


def write_path(scope: ImageScope) -> str:
    """The path of a scope below a base: begins with a slash and ends without one (10.4.1)."""
    words = ["studies", scope.study]
    if scope.series is not None:
        words += ["series", scope.series]
    if scope.instance is not None:
        words += ["instances", scope.instance]
    if scope.frames:
        words += ["frames", ",".join(map(str, scope.frames))]
    if scope.view not in (View.INSTANCES, View.FRAMES):
        words.append(scope.view.value)
    words += (quote(part, safe="") for part in scope.bulk)
    return "/" + "/".join(words)


def query_parameters(raw: str) -> tuple[tuple[str, str], ...]:
    """Names and values of a raw query string, decoded, in order; a plus sign stays one.

    Raises `DecodeError` when it is too long or its escapes are wrong.
    """
    if len(raw) > MAX_QUERY:
        raise DecodeError(QUERY_SIZE, f"{len(raw)} characters", f"at most {MAX_QUERY}")
    pairs = [pair.partition("=") for pair in raw.removeprefix("?").split("&") if pair]
    if len(pairs) > MAX_QUERY_PARAMETERS:
        raise DecodeError("query", f"{len(pairs)} parameters", f"at most {MAX_QUERY_PARAMETERS}")
    return tuple((_decoded(name, "query"), _decoded(value, "query")) for name, _, value in pairs)


def query_value(raw: str, name: str) -> str | None:
    """The value of one parameter of a raw query string, whatever the case of its name.

    None when it is missing; `DecodeError` when it is given twice.
    """
    found = [value for key, value in query_parameters(raw) if key.lower() == name.lower()]
    if len(found) > 1:
        raise DecodeError(f"query, {name}", f"{len(found)} values", "one")
    return found[0] if found else None


def resolve_base(endpoint_address: str, allowed_hosts: Collection[str]) -> str:
    """The base of a DICOMweb service as a peer's manifest gives it, if it may be called.

    `allowed_hosts` lists `host` (https on its own port), `host:port` (https) or a whole origin
    such as `http://host:port`, which alone allows http. The result ends without a slash, so that
    `write_path` can be appended. Raises `DecodeError` for what is no plain address, and refuses
    a host, port or scheme that is not listed with `Refusal.UNKNOWN_REPOSITORY`.
    """
    match = _ADDRESS.fullmatch(endpoint_address.strip(" "))
    path = (match["path"] or "").rstrip("/") if match else ""
    plain = unquote(path)
    if match is None or "\\" in plain or not {".", ".."}.isdisjoint(plain.split("/")):
        raise DecodeError(
            "endpoint address",
            repr(endpoint_address[:200]),
            "https, a host, perhaps a port, and a path",
            "RFC 9110, 4.2.2",
        )
    origin = _origin(match["scheme"], match["host"], match["port"])
    if origin is None or origin not in {_listed(entry) for entry in allowed_hosts}:
        shown = match[0].removesuffix(match["path"] or "")[:200]
        raise refuse(
            Refusal.UNKNOWN_REPOSITORY,
            f"the image source {shown} is not among those that may be called",
            subject="endpoint address",
        )
    scheme, host, port = origin
    shown_port = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{shown_port}{path}"


def allowed_origin(
    scheme: str, host: str, port: int | None, allowed_hosts: Collection[str]
) -> bool:
    """Whether scheme, host and port are among hosts listed as for `resolve_base`."""
    origin = _origin(scheme, host, str(port) if port else None)
    return origin is not None and origin in {_listed(entry) for entry in allowed_hosts}


def _origin(scheme: str, host: str, port: str | None) -> tuple[str, str, int] | None:
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        return None
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return (scheme, host.lower(), number) if 0 < number < 65536 else None


def _listed(entry: str) -> tuple[str, str, int] | None:
    match = _ADDRESS.fullmatch(entry if "://" in entry else f"https://{entry}")
    return _origin(match["scheme"], match["host"], match["port"]) if match else None
