"""DICOMweb paths: every resource in both directions, and nothing hostile gets by."""

from __future__ import annotations

import contextlib

import pytest
from dicomweb_client.uri import URI
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import ExchangeError, InstanceRef, Refusal, Uid
from gateway.wire.dicom.web import (
    MAX_FRAMES,
    MAX_PATH,
    MAX_QUERY_PARAMETERS,
    ImageScope,
    View,
    parse_path,
    query_parameters,
    query_value,
    resolve_base,
    write_path,
)
from gateway.wire.problems import DecodeError, EncodeError

STUDY, SERIES, INSTANCE = Uid("1.2.3"), Uid("1.2.3.4"), Uid("1.2.3.4.5")
OF_STUDY = ImageScope(study=STUDY)
OF_SERIES = ImageScope(study=STUDY, series=SERIES)
OF_INSTANCE = ImageScope(study=STUDY, series=SERIES, instance=INSTANCE)
I_PATH = f"/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}"


def scope_of_instance(view: View, *frames: int, bulk: tuple[str, ...] = ()) -> ImageScope:
    """The instance in another view."""
    return ImageScope(
        study=STUDY, series=SERIES, instance=INSTANCE, view=view, frames=frames, bulk=bulk
    )


RESOURCES = [
    (f"/studies/{STUDY}", OF_STUDY),
    (f"/studies/{STUDY}/series/{SERIES}", OF_SERIES),
    (I_PATH, OF_INSTANCE),
    (f"/studies/{STUDY}/metadata", ImageScope(study=STUDY, view=View.METADATA)),
    (f"/studies/{STUDY}/bulkdata", ImageScope(study=STUDY, view=View.BULKDATA)),
    (
        f"/studies/{STUDY}/series/{SERIES}/rendered",
        ImageScope(study=STUDY, series=SERIES, view=View.RENDERED),
    ),
    (
        f"/studies/{STUDY}/series/{SERIES}/thumbnail",
        ImageScope(study=STUDY, series=SERIES, view=View.THUMBNAIL),
    ),
    (I_PATH + "/metadata", scope_of_instance(View.METADATA)),
    (I_PATH + "/pixeldata", scope_of_instance(View.PIXELDATA)),
    (I_PATH + "/bulkdata", scope_of_instance(View.BULKDATA)),
    (
        I_PATH + "/bulkdata/00400275/0/a%2Fb%3F",
        scope_of_instance(View.BULKDATA, bulk=("00400275", "0", "a/b?")),
    ),
    (I_PATH + "/frames/1", scope_of_instance(View.FRAMES, 1)),
    (I_PATH + "/frames/3,1,2", scope_of_instance(View.FRAMES, 3, 1, 2)),
    (I_PATH + "/rendered", scope_of_instance(View.RENDERED)),
    (I_PATH + "/frames/7/rendered", scope_of_instance(View.RENDERED, 7)),
    (I_PATH + "/frames/7/thumbnail", scope_of_instance(View.THUMBNAIL, 7)),
]


@pytest.mark.parametrize(("path", "scope"), RESOURCES)
def test_every_resource_is_read_and_written(path: str, scope: ImageScope) -> None:
    """The resources of PS3.18 10.4.1, in both directions."""
    assert parse_path(path) == scope
    assert write_path(scope) == path


def test_paths_are_those_that_another_client_builds() -> None:
    """dicomweb-client addresses frames, rendered frames and series as we do."""
    base = "https://images.example/dicom-web"
    frames = URI(base, STUDY, SERIES, INSTANCE, [2, 5])
    series = URI(base, STUDY, SERIES)

    assert str(frames) == base + write_path(scope_of_instance(View.FRAMES, 2, 5))
    assert str(series) == base + write_path(OF_SERIES)


def test_a_scope_is_that_of_an_instance_in_its_place() -> None:
    """To a reference and back; a series has none."""
    ref = InstanceRef(study=STUDY, series=SERIES, instance=INSTANCE)

    assert ImageScope.of(ref) == OF_INSTANCE
    assert OF_INSTANCE.ref == ref
    assert OF_SERIES.ref is None


def test_a_trailing_slash_does_not_count() -> None:
    """As some clients send it."""
    assert parse_path(I_PATH + "/") == OF_INSTANCE


def test_doubled_slashes_do_not_count() -> None:
    """As they come of a base that ends with a slash."""
    assert parse_path("/" + I_PATH.replace("/", "//")) == OF_INSTANCE


def test_study_in_the_singular_is_studies() -> None:
    """As XC-WADO prints the paths of an image source."""
    assert parse_path(f"study/{STUDY}") == OF_STUDY


def test_escapes_that_are_not_needed_are_undone() -> None:
    """A dot or a comma may come as an escape."""
    assert parse_path(f"/studies/{STUDY.replace('.', '%2E')}") == OF_STUDY
    assert parse_path(I_PATH + "/frames/1%2C2").frames == (1, 2)


@pytest.mark.parametrize(
    "uid", ["1.2.x", "1..2", ".1", "1.", "-1", "1.2.3 ", "1" * 65, "%31%", "١.٢", "%D9%A1", "%FF"]
)
def test_what_is_no_uid_is_an_error(uid: str) -> None:
    """The syntax of PS3.5 9.1, at most 64 characters; other scripts' digits are none."""
    with pytest.raises(DecodeError, match="path"):
        parse_path(f"/studies/{uid}")


@pytest.mark.parametrize(
    "frames", ["", "0", "1,0", "-1", "a", "1;2", "1,,2", "1.5", "99999999999", "2147483648", "²"]
)
def test_what_is_no_list_of_frames_is_an_error(frames: str) -> None:
    """Numbers from 1, separated by commas."""
    with pytest.raises(DecodeError, match="path"):
        parse_path(f"{I_PATH}/frames/{frames}")


def test_a_list_of_too_many_frames_is_an_error() -> None:
    """The list has a limit below that of the path."""
    most = ",".join(["1"] * MAX_FRAMES)

    assert len(parse_path(f"{I_PATH}/frames/{most}").frames) == MAX_FRAMES
    with pytest.raises(DecodeError, match="a longer list"):
        parse_path(f"{I_PATH}/frames/{most},1")


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/patients/1", "/studies", "/series", "/instances", "/Studies/1.2"),
        *(f"/studies/{STUDY}/series", f"/studies/{STUDY}/series/{SERIES}/instances"),
        *(f"/studies/{STUDY}/instances", f"/studies/{STUDY}/frames/1", f"/studies/{STUDY}/frames"),
        *(f"{I_PATH}/frames/1/frames", f"{I_PATH}/frames/1/metadata", f"{I_PATH}/frames/1/2"),
        *(f"{I_PATH}/metadata/x", f"/studies/{STUDY}/bulkdata/x", f"{I_PATH}/pixels"),
    ],
)
def test_what_is_no_resource_is_refused(path: str) -> None:
    """Searches and unknown words are not offered here."""
    with pytest.raises(ExchangeError) as raised:
        parse_path(path)

    assert raised.value.refusal is Refusal.UNSUPPORTED


@pytest.mark.parametrize("path", [f"{I_PATH}/bulkdata/..", f"{I_PATH}/bulkdata/%2e%2e/x", "/a?b#c"])
def test_a_path_that_leads_elsewhere_is_an_error(path: str) -> None:
    """Dots that climb, and what does not belong in a path."""
    with pytest.raises(DecodeError):
        parse_path(path)


def test_a_path_has_a_limit() -> None:
    """However it goes on."""
    with pytest.raises(DecodeError, match="at most"):
        parse_path("/" * (MAX_PATH + 1))


@settings(deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from([*I_PATH.split("/"), "%", "frames", "0"])))
def test_any_path_is_read_or_refused(found: str | list[str]) -> None:
    """Nothing but the two errors comes out."""
    path = found if isinstance(found, str) else "/".join(found)

    with contextlib.suppress(DecodeError, ExchangeError):
        assert parse_path(write_path(parse_path(path))) == parse_path(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"instance": INSTANCE},
        {"frames": (1,), "view": View.FRAMES},
        {"series": SERIES, "instance": INSTANCE, "frames": (1,)},
        {"series": SERIES, "instance": INSTANCE, "frames": (0,), "view": View.FRAMES},
        {"series": SERIES, "instance": INSTANCE, "view": View.FRAMES},
        {"bulk": ("x",), "view": View.BULKDATA},
        {"series": SERIES, "instance": INSTANCE, "bulk": ("..",), "view": View.BULKDATA},
        {
            "series": SERIES,
            "instance": INSTANCE,
            "frames": (1,) * (MAX_FRAMES + 1),
            "view": View.FRAMES,
        },
    ],
)
def test_a_scope_whose_parts_do_not_go_together_cannot_be_made(fields: dict[str, object]) -> None:
    """What no path could say."""
    with pytest.raises(EncodeError):
        ImageScope(study=STUDY, **fields)  # type: ignore[arg-type]


def test_a_plus_in_a_query_stays_one() -> None:
    """Media types and time zones have them."""
    query = "?accept=application/dicom+json&x=a%2Bb%20c&&flag"

    assert query_parameters(query) == (
        ("accept", "application/dicom+json"),
        ("x", "a+b c"),
        ("flag", ""),
    )
    assert query_value(query, "Accept") == "application/dicom+json"
    assert query_value(query, "none") is None


@pytest.mark.parametrize(
    "query", ["accept=a&ACCEPT=b", "accept=%zz", "a=%ff", "&".join(["a=1"] * 65), "a" * 9000]
)
def test_a_query_that_cannot_be_read_is_an_error(query: str) -> None:
    """Repeated parameters, wrong escapes, and more than the limits."""
    assert MAX_QUERY_PARAMETERS == 64
    with pytest.raises(DecodeError, match="query"):
        query_value(query, "accept")


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://images.example", "https://images.example"),
        ("https://images.example/", "https://images.example"),
        ("HTTPS://Images.Example:443/dicom-web//", "https://images.example/dicom-web"),
        ("https://images.example:8443/a/b", "https://images.example:8443/a/b"),
        ("http://lab.example:8042/dicom-web", "http://lab.example:8042/dicom-web"),
        (" https://[::1]:8443/x ", "https://[::1]:8443/x"),
    ],
)
def test_a_listed_address_becomes_a_base(address: str, base: str) -> None:
    """Hosts in any case, ports as listed; the base ends without a slash."""
    listed = ["images.example", "images.example:8443", "http://lab.example:8042", "[::1]:8443"]

    assert resolve_base(address, listed) == base


@pytest.mark.parametrize(
    "address",
    [
        "https://other.example/",
        "https://images.example.evil.example/",
        "https://images.example:444/",
        "https://images.example:0/",
        "https://images.example:99999/",
        "http://images.example/",
        "https://lab.example:8042/",
        "http://lab.example/",
        "ftp://images.example/",
        "file://images.example/etc/passwd",
    ],
)
def test_an_address_that_is_not_listed_is_refused(address: str) -> None:
    """Another host, port or scheme is not called."""
    with pytest.raises(ExchangeError, match="is not among those") as raised:
        resolve_base(address, ["images.example", "http://lab.example:8042"])

    assert raised.value.refusal is Refusal.UNKNOWN_REPOSITORY


@pytest.mark.parametrize(
    "address",
    [
        "",
        "images.example",
        "//images.example/",
        "https://user@images.example/",
        "https://user:secret@images.example/",
        "https://images.example\\@evil.example/",
        "https://images.example/..%2f../x",
        "https://images.example/%2e%2e/x",
        "https://images.example/a?b=c",
        "https://images.example/#x",
        "https://images.example/\r\nHost: evil",
        "https://images.example:8x/",
        "https://imаges.example/",
        "javascript:alert(1)",
        "https://" + "a" * 300,
    ],
)
def test_what_is_no_plain_address_is_an_error(address: str) -> None:
    """User info, queries, fragments, climbing paths, other scripts and line ends."""
    with pytest.raises(DecodeError, match="endpoint address"):
        resolve_base(address, ["images.example"])


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_address_is_a_listed_one_or_refused(address: str) -> None:
    """Nothing but the two errors comes out, and no host but the one listed."""
    with contextlib.suppress(DecodeError, ExchangeError):
        assert resolve_base(f"https://{address}", ["a.b"]).startswith("https://a.b")
