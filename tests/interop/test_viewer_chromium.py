"""The viewer in a real browser: opened by its link alone, drawn, and used by the keyboard."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from gateway.pki import TrustDomain
from tests.conftest import Seeded
from tests.interop.browser import Page, chromium
from tests.viewers import Clock, Viewer, viewer_of

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

SHOWN = "document.body.dataset.state === 'shown' && document.querySelector('#picture').complete"
SERIES = "document.querySelector('[aria-pressed=true]').dataset.series"
IDLE = "document.getElementById('stage').ariaBusy === 'false'"
PICTURE = "document.querySelector('#picture').dataset.url"
IN_SIGHT = """(() => {
  const box = document.getElementById('%s').getBoundingClientRect();
  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return box.width > 0 && box.height > 0 && box.top >= 0 && box.bottom <= innerHeight
    && document.getElementById('%s').contains(there);
})()"""


async def opened(page: Page, viewer: Viewer, role: str, modality: str) -> None:
    """Go to the page of a study by its link, until a picture is there."""
    study = await viewer.study(role, modality)
    await page.go(viewer.link(study.uid, study.patient))
    await page.until(SHOWN)


async def text(page: Page, name: str) -> str:
    """What is to be read in an element."""
    found = await page.ask(f"document.getElementById('{name}').innerText")
    return " ".join(str(found).split())


async def beside(page: Page) -> tuple[str, str]:
    """The side and the ratio that stand beside the picture, "" where none is said."""
    hidden = await page.ask("document.getElementById('lossy').hidden")
    return await text(page, "side"), "" if hidden else await text(page, "ratio")


async def test_images_load_and_it_is_seen_whose_they_are(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Name, birth date and study date are in sight, beside a picture that is one."""
    async with viewer_of(seeded, trust_domain, tmp_path) as viewer, chromium() as page:
        study = await viewer.study("main", "CT")
        identity = await viewer.national.patients.get(seeded.patient("main"))
        assert identity is not None
        assert identity.birth_date is not None
        assert study.study_date is not None

        await opened(page, viewer, "main", "CT")

        assert await text(page, "name") == identity.names[0].full
        assert await text(page, "birth-date") == identity.birth_date.isoformat()
        assert await text(page, "study-date") == study.study_date.isoformat()
        for name in ("name", "birth-date", "study-date", "laterality", "warning"):
            assert await page.ask(IN_SIGHT % (name, name)), name
        await page.until("[...document.images].every((one) => one.complete)")
        widths = await page.ask("[...document.images].map((one) => one.naturalWidth)")
        assert widths
        assert min(widths) > 1
        seen = Image.open(io.BytesIO(await page.screenshot(tmp_path / "viewer.png"))).convert("L")
        box = await page.ask(
            "(({x, y, right, bottom}) => [x, y, right, bottom])"
            "(document.getElementById('picture').getBoundingClientRect())"
        )
        assert box[2] - box[0] > 300
        low, high = seen.crop(tuple(map(int, box))).getextrema()
        assert (low, high >= 200) == (0, True)  # black and white are both there: it is drawn
        assert page.complaints == []
        origins = {re.match(r"[a-z]+:(//[^/]*)?", url)[0] for url in page.fetched}  # type: ignore[index]
        assert origins <= {viewer.base, f"blob:{viewer.base}", "blob:", "data:"}


async def test_it_is_used_by_the_keyboard_alone(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """From picture to picture, from series to series, nearer and back; the focus is seen."""
    async with viewer_of(seeded, trust_domain, tmp_path) as viewer, chromium() as page:
        await opened(page, viewer, "main", "CT")

        await page.press("ArrowDown")
        await page.until(f"{SERIES} === '1' && {IDLE}")
        begin = await page.ask(PICTURE)
        await page.press("End")
        await page.until(f"{PICTURE} !== '{begin}'")
        end = await page.ask(PICTURE)
        await page.press("Home")
        await page.until(f"{PICTURE} === '{begin}'")
        await page.press("ArrowRight")
        await page.until(f"{PICTURE} !== '{begin}'")
        width = "document.getElementById('picture').getBoundingClientRect().width"
        before = await page.ask(width)
        await page.press("+")
        larger = await page.ask(width)
        await page.press("0")

        assert begin != end
        assert larger > before
        assert await page.ask(width) == before
        await page.press("Tab")
        focus = await page.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert focus == "solid"
        assert page.complaints == []


async def test_side_loss_and_frame_follow_the_picture(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Left and right of a mammogram; an ultrasound loop tells its ratio, and is stepped through."""
    async with viewer_of(seeded, trust_domain, tmp_path) as viewer, chromium() as page:
        await opened(page, viewer, "greek", "MG")
        sides = {}
        for one in await page.ask("[...document.querySelectorAll('[data-series]')].length") * "x":
            assert one
            sides[await page.ask(PICTURE)] = await beside(page)
            before = await page.ask(SERIES)
            await page.press("ArrowDown")
            await page.until(f"{SERIES} !== '{before}' && {SHOWN}")
            await page.until(IDLE)
        await opened(page, viewer, "main", "US")
        _, ratio = await beside(page)
        await page.press("ArrowRight")
        await page.until("document.querySelector('#frame b').textContent.startsWith('2 / ')")

        assert {side for side, _ in sides.values()} == {"L", "R"}
        assert {lost for _, lost in sides.values()} == {""}
        assert re.fullmatch(r"[0-9]+(\.[0-9])?:1", ratio)


async def test_no_word_is_seen_whatever_is_shown(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """But names of people, codes and units; in what is read aloud neither."""
    said = """[...document.querySelectorAll('body, body *')].flatMap((one) =>
      [one.ariaLabel, one.alt, one.title, ...(one.tagName === 'SCRIPT' ? [] : [...one.childNodes]
        .filter((node) => node.nodeType === 3).map((node) => node.textContent))])
      .filter(Boolean).join(' ')"""
    async with viewer_of(seeded, trust_domain, tmp_path) as viewer, chromium() as page:
        identity = await viewer.national.patients.get(seeded.patient("main"))
        assert identity is not None
        await opened(page, viewer, "main", "US")

        words = set(re.findall(r"[^\W\d_]+", await page.ask(said)))

        names = {part for name in identity.names for part in re.findall(r"\w+", name.full)}
        assert words - names <= {"US", "XA", "Dx", "min", "s"}


async def test_an_end_that_comes_is_shown(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """An hourglass in place of the next picture; and at an address that is none, a lock."""
    clock = Clock()
    async with viewer_of(seeded, trust_domain, tmp_path, clock) as viewer, chromium() as page:
        await opened(page, viewer, "main", "MR")
        clock.pass_by(minutes=15)
        # Pictures of this series may have been fetched ahead, those of the last one were not.
        await page.press("ArrowUp")
        await page.press("End")
        await page.until("document.body.dataset.state === 'refused'")
        gone = await page.ask("document.querySelector('#sign use').getAttribute('href')")
        hidden = await page.ask("document.getElementById('sign').hidden")
        await page.go(f"{viewer.base}/view/none")
        await page.until("document.querySelector('.refused') !== null")
        locked = await page.ask("document.querySelector('.refused use').getAttribute('href')")

    assert (gone, hidden, locked) == ("#hourglass", False, "#lock")


@pytest.mark.parametrize("size", [(1400, 900), (800, 1000), (420, 800)])
async def test_who_it_is_stays_in_sight_on_any_screen(
    size: tuple[int, int], seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """And nothing has to be moved sideways."""
    async with viewer_of(seeded, trust_domain, tmp_path) as viewer, chromium(*size) as page:
        await opened(page, viewer, "greek", "MG")

        for name in ("name", "birth-date", "study-date", "laterality", "warning"):
            assert await page.ask(IN_SIGHT % (name, name)), name
        assert await page.ask("document.documentElement.scrollWidth <= innerWidth")
        await page.screenshot(tmp_path / "viewer.png")
