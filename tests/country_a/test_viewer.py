"""The viewer over TLS, as a browser meets it: links, pages, pictures, and every way not to."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lxml import html
from PIL import Image

from country_a.viewer_links import SHOWN_FOR
from gateway.pki import TrustDomain
from tests.conftest import Seeded
from tests.viewers import START, Viewer, pictures, viewer_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Viewer]:
    """Country A's viewer."""
    async with viewer_of(seeded, trust_domain, tmp_path_factory.mktemp("viewer")) as viewer:
        yield viewer


@pytest.fixture
def viewer(running: Viewer) -> Viewer:
    """The viewer, at the time at which tests begin."""
    running.clock.now = START
    return running


def events(viewer: Viewer) -> list[str]:
    """What was audited."""
    return [record.xml.decode() for record in viewer.keeper.audit.events()]


def frames(page: str) -> list[str]:
    """The addresses of every picture of a page, relative to it."""
    told = json.loads(html.fromstring(page).get_element_by_id("study").text)
    return [
        f"{series}/{instance}/{frame}"
        for one in told
        for series, instance, _, count, _ in one["images"]
        for frame in range(1, count + 1)
    ]


async def test_a_link_alone_shows_the_study(viewer: Viewer) -> None:
    """Without a certificate, a token or a cookie: page and pictures."""
    where, page = await viewer.open("main")
    shown = await viewer.get(where + frames(page.text)[0])
    small = await viewer.get(f"{where}{pictures(page.text)[0]}/thumbnail")

    person = viewer.seeded.role("main")
    assert page.status == 200
    assert person["id"] not in page.text
    assert "Set-Cookie" not in page.headers
    for got in (shown, small):
        assert (got.status, got.headers["Content-Type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(got.body)).format == "JPEG"


async def test_every_answer_is_kept_to_itself(viewer: Viewer) -> None:
    """In no cache, in no frame, with a policy that lets nothing in, and it says nothing of us."""
    where, page = await viewer.open("main")
    answers = [
        page,
        await viewer.get(where + frames(page.text)[0]),
        await viewer.get("/files/viewer.js"),
        await viewer.get("/files/viewer.css"),
        await viewer.get("/view/x"),
        await viewer.get("/nothing"),
    ]

    assert [got.status for got in answers] == [200, 200, 200, 200, 403, 404]
    for got in answers:
        assert got.headers["Cache-Control"] == "no-store"
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        policy = got.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "Server" not in got.headers


async def test_a_page_may_be_asked_for_again(viewer: Viewer) -> None:
    """Its address lasts, the link that led to it does not."""
    study = await viewer.study("main")
    link = viewer.link(study.uid, study.patient)

    first = await viewer.get(link)
    again = await viewer.get(link)
    pages = [await viewer.get(first.headers["Location"]) for _ in range(2)]

    assert (first.status, again.status) == (303, 410)
    assert [page.status for page in pages] == [200, 200]


async def test_looking_at_a_link_does_not_use_it_up(viewer: Viewer) -> None:
    """A mail scanner asks by HEAD."""
    study = await viewer.study("main")
    link = viewer.link(study.uid, study.patient)

    looked = await viewer.get(link, method="HEAD")
    posted = await viewer.get(link, method="POST")
    opened = await viewer.get(link)

    assert (looked.status, posted.status, opened.status) == (405, 405, 303)


async def test_a_link_that_is_late_or_used_is_gone_and_audited_once(viewer: Viewer) -> None:
    """Its holder is told by a sign; asking on and on fills nothing."""
    study = await viewer.study("main")
    used, late = (viewer.link(study.uid, study.patient) for _ in range(2))
    await viewer.get(used)
    before = len(events(viewer))

    again = [await viewer.get(used) for _ in range(3)]
    viewer.clock.pass_by(seconds=60)
    too_late = [await viewer.get(late) for _ in range(3)]

    assert [got.status for got in (*again, *too_late)] == [410] * 6
    assert {html.fromstring(got.text).find(".//main//use").get("href") for got in again} == {
        "#hourglass"
    }
    told = events(viewer)[before:]
    assert len(told) == 2
    for event in told:
        assert "RAD-106" in event
        assert str(study.uid) in event
        assert 'EventOutcomeIndicator="8"' in event
    assert list(viewer.keeper.tap.summaries()) == []


async def test_a_forged_link_costs_nothing(viewer: Viewer) -> None:
    """It is forbidden, and leaves no trace that could fill the disk."""
    study = await viewer.study("main")
    link = viewer.link(study.uid, study.patient)
    before = len(events(viewer))

    forged = [link[:-1] + ("A" if link[-1] != "A" else "B"), link + "x", f"{viewer.base}/view/x"]
    statuses = [(await viewer.get(each)).status for each in forged]

    assert statuses == [403, 403, 403]
    assert len(events(viewer)) == before
    assert (await viewer.get(link)).status == 303


async def test_another_study_is_not_shown_through_a_link(viewer: Viewer) -> None:
    """Neither of the same patient nor of another: the link's own study is all there is."""
    where, page = await viewer.open("main", "CT")
    _, same = await viewer.open("main", "DX")
    _, other = await viewer.open("greek", "MG")
    own = frames(page.text)[0]
    series = own.split("/")[0]

    for strange in (*frames(same.text)[:1], *frames(other.text)[:1]):
        mixed = f"{series}/{strange.split('/')[1]}/1"
        for path in (strange, mixed, strange.rpartition("/")[0] + "/thumbnail"):
            assert (await viewer.get(where + path)).status == 404
    assert (await viewer.get(where + own)).status == 200


async def test_key_images_alone_are_shown_where_no_others_were_asked_for(viewer: Viewer) -> None:
    """Others of the same study do not come by their address either."""
    where, page = await viewer.open("main", "CT", key=True)
    _, whole = await viewer.open("main", "CT")
    key = set(frames(page.text))
    others = [path for path in frames(whole.text) if path not in key]

    assert key
    assert (await viewer.get(where + min(key))).status == 200
    assert (await viewer.get(where + others[0])).status == 404
    assert (await viewer.get(where + others[0].rpartition("/")[0] + "/thumbnail")).status == 404


async def test_a_page_comes_to_its_end(viewer: Viewer) -> None:
    """Page and pictures, all at once; the page says how many seconds it has."""
    where, page = await viewer.open("main")
    seconds = html.fromstring(page.text).find("body").get("data-seconds")
    picture = where + frames(page.text)[0]

    viewer.clock.pass_by(seconds=SHOWN_FOR.total_seconds())

    assert int(seconds) == SHOWN_FOR.total_seconds()
    assert [(await viewer.get(url)).status for url in (where, picture)] == [410, 410]


async def test_side_and_loss_come_with_each_picture(viewer: Viewer) -> None:
    """Of a mammogram the side, of an ultrasound loop what was lost, of a radiograph neither."""
    found = {}
    for role, modality in (("greek", "MG"), ("main", "US"), ("main", "DX")):
        where, page = await viewer.open(role, modality)
        got = [await viewer.get(where + path) for path in frames(page.text)[-2:]]
        found[modality] = [
            (one.headers.get("Viewer-Laterality"), one.headers.get("Viewer-Lossy-Ratio"))
            for one in got
        ]

    assert {side for side, _ in found["MG"]} <= {"L", "R"}
    assert {ratio for _, ratio in found["MG"]} == {None}
    assert all(float(ratio or 0) > 1 for _, ratio in found["US"])
    assert set(found["DX"]) == {(None, None)}


async def test_frames_are_stepped_through(viewer: Viewer) -> None:
    """Each is another picture, and there is none after the last."""
    where, page = await viewer.open("main", "US")
    loop = list(dict.fromkeys(frames(page.text)))

    first, last = [await viewer.get(where + path) for path in (loop[0], loop[-1])]
    number = int(loop[-1].rpartition("/")[2])
    beyond = await viewer.get(f"{where}{loop[-1].rpartition('/')[0]}/{number + 1}")

    assert number > 1
    assert first.body != last.body
    assert beyond.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "1.2/1.3/1",
        "x/y/1",
        "1.2/1.3/0",
        "1.2/1.3/9999999999",
        "1.2/1.3/%2e%2e",
        "1.2/../../../files/viewer.py",
        "%00/1.2/1",
    ],
)
async def test_what_is_no_picture_is_not_found(viewer: Viewer, path: str) -> None:
    """Whatever stands in the address."""
    where, _ = await viewer.open("main")

    assert (await viewer.get(where + path)).status == 404


@pytest.mark.parametrize("name", ["study.html.j2", "..%2fviewer.py", "x.js", ""])
async def test_only_the_pages_own_files_are_served(viewer: Viewer, name: str) -> None:
    """Templates and code are not among them."""
    assert (await viewer.get(f"/files/{name}")).status == 404


async def test_a_patient_who_does_not_consent_is_not_shown(viewer: Viewer) -> None:
    """Asked again when the page is, though the link was made; an emergency opens what it may."""
    for role, emergency, expected in (
        ("denied", True, 403),
        ("emergency-only", False, 403),
        ("emergency-only", True, 200),
    ):
        where, page = await viewer.open(role, emergency=emergency)

        assert page.status == expected
        assert (role == "emergency-only" and emergency) == bool(re.search("data-series", page.text))
        assert where
