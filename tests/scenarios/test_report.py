"""The report for people: self-contained, complete, accessible, and never too green."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from scenarios.pictures import Picture
from scenarios.report import Evidence, ReportFiles, mark_of, write_report
from scenarios.result import Run, Step, Verdict

WHEN = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"


def message(text: str | None, **changes: Any) -> dict[str, Any]:
    """A message as a control port gives it."""
    return {
        "start_line": "POST /x HTTP/1.1",
        "headers": [["Content-Type", "application/soap+xml"]],
        "size_bytes": 10,
        "sha256": "ab" * 32,
        "text": text,
        "text_missing": "" if text is not None else "it is not UTF-8 text",
        "parts": [],
    } | changes


def capture(**changes: Any) -> dict[str, Any]:
    """A transcript as a control port gives it."""
    return {
        "opened_at": "2026-11-22T12:00:00+00:00",
        "direction": "out",
        "transaction": "ITI-38",
        "message_id": "urn:uuid:1",
        "correlation_id": "c-1",
        "state": "closed",
        "outcome": "success",
        "seconds": 0.5,
        "status": 200,
        "refusal": "",
        "text": "",
        "request_bytes": 10,
        "answer_bytes": 20,
        "request": message("<q><a/></q>"),
        "answer": message("<r/>"),
        "decoded": {"request": {"kind": "DocumentQuery"}},
        "notes": {},
    } | changes


def run(verdict: Verdict = Verdict.PASS, **changes: Any) -> Run:
    """A run of one step."""
    step = Step(number=4, name="Identity confirmed", verdict=verdict, seconds=0.5, bytes=50_000)
    return Run(
        **({"scenario": "uc1", "transport": "SOAP", "verdict": verdict, "steps": (step,)} | changes)
    )


def written(tmp_path: Path, *evidence: Evidence) -> ReportFiles:
    return write_report(tmp_path, evidence, generated=WHEN)


def page(files: ReportFiles) -> html.HtmlElement:
    return html.fromstring(files.html.read_text("utf-8"))


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def test_one_file_shows_steps_messages_and_meaning(tmp_path: Path) -> None:
    """Durations, bytes, rates, both messages indented, headers, nouns and ids are there."""
    twin = capture(direction="in")

    document = page(
        written(tmp_path, Evidence(run=run(), country_b=(capture(),), country_a=(twin,)))
    )

    text = words(document.find(".//main"))
    assert "4. Identity confirmed" in text
    assert "500 ms" in text
    assert "50.0 kB" in text
    assert "0.80 Mbit/s" in text
    assert "both countries" in text
    (opened,) = document.xpath("//details[@id='run1-message1']")
    assert "<q>\n  <a/>\n</q>" in [pre.text for pre in opened.iter("pre")]
    assert "application/soap+xml" in words(opened)
    assert "as both countries understood it" in words(opened)
    assert "urn:uuid:1" in words(opened)


def test_pictures_and_the_line_stand_before_the_steps(tmp_path: Path) -> None:
    """A picture with its title and caption, the profile in the head of the run and on its card."""
    picture = Picture("MR & line", '<svg class="picture"><title>x</title></svg>', "over <4> Mbit/s")
    shown = run(link="4mbit/80ms", pictures=(picture,))

    document = page(written(tmp_path, Evidence(run=shown)))

    (figure,) = document.xpath("//figure")
    assert len(figure.xpath(".//svg[@class='picture']")) == 1
    assert words(figure.find("figcaption")) == "over <4> Mbit/s"
    assert "MR & line" in words(figure)
    assert "4mbit/80ms" in words(document.xpath("//*[@class='card']")[0])
    assert "line between the countries: 4mbit/80ms." in words(document.find(".//main"))


def test_a_run_over_no_line_names_none(tmp_path: Path) -> None:
    """Countries that meet directly."""
    document = page(written(tmp_path, Evidence(run=run())))

    assert "line between" not in words(document.find(".//main"))
    assert not document.xpath("//figure")


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    """No resource, no network address in the page itself; the policy forbids both."""
    files = written(tmp_path, Evidence(run=run(), country_b=(capture(),)))
    source = files.html.read_text("utf-8")
    document = page(files)

    assert not document.xpath("//@src | //link | //img | //iframe | //object")
    assert "@import" not in source
    assert not re.search(r"url\(", source)
    assert "default-src 'none'" in source


def test_what_peers_sent_stays_text(tmp_path: Path) -> None:
    """Markup in any captured text or note is shown and never run."""
    evil = capture(
        transaction=EVIL,
        refusal=EVIL,
        outcome="refused",
        text=EVIL,
        message_id=EVIL,
        request=message(EVIL, start_line=EVIL, headers=[[EVIL, EVIL]]),
        answer=message(EVIL, parts=[{"headers": [["Content-Type", EVIL]], "stored": EVIL}]),
        decoded={"answer": {EVIL: EVIL}},
        notes={EVIL: EVIL},
    )
    files = written(tmp_path, Evidence(run=run(scenario=EVIL, transport=EVIL), country_b=(evil,)))

    assert len(page(files).xpath("//script")) == 1
    assert EVIL not in files.html.read_text("utf-8")
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in (tmp_path / "messages").iterdir())


def test_report_json_names_files_that_exist(tmp_path: Path) -> None:
    """Each captured message is a line with status, bytes and the file that holds it."""
    lost = capture(message_id="urn:uuid:2", answer=None, status=None, state="interrupted")
    files = written(tmp_path, Evidence(run=run(), country_b=(capture(), lost)))

    (told,) = json.loads(files.json.read_text("utf-8"))["runs"]

    assert [
        (line["transaction"], line["direction"], line["status"], line["bytes"])
        for line in told["messages"]
    ] == [
        ("ITI-38", "request", None, 10),
        ("ITI-38", "answer", 200, 20),
        ("ITI-38", "request", None, 10),
        ("ITI-38", "answer", None, 20),
    ]
    kept = [line["file"] for line in told["messages"]]
    assert kept[3] == ""
    assert (tmp_path / kept[0]).read_text("utf-8") == "<q><a/></q>"


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "partial"},
        {"state": "interrupted"},
        {"answer": message("<r/>", parts=[{"headers": [], "complete": False}])},
    ],
)
def test_no_green_tick_over_an_incomplete_transfer(tmp_path: Path, change: dict[str, Any]) -> None:
    """A run that passed with something missing is not shown as a plain pass."""
    document = page(written(tmp_path, Evidence(run=run(), country_b=(capture(**change),))))

    (card,) = document.xpath("//li[@class='card']")
    (mark,) = card.find_class("mark")
    assert words(mark) == "◐ As expected, with 1 incomplete transfer"
    assert "pass" not in mark.get("class").split()
    (exchange,) = document.xpath("//details[@id='run1-message1']/summary")
    assert "✓" not in words(exchange)


def test_every_verdict_has_a_sign_and_words() -> None:
    """No meaning by colour alone, and a tick for a pass only."""
    marks = [mark_of(verdict) for verdict in Verdict]

    assert len({mark["sign"] for mark in marks}) == len(marks)
    assert all(mark["words"] for mark in marks)
    assert [mark["style"] for mark in marks if mark["sign"] == "✓"] == ["pass"]


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    """Several runs share a table; a step one of them lacks is said to be missing."""
    other = Step(number=5, name="List requested", verdict=Verdict.FAIL, seconds=1)
    second = run(Verdict.FAIL, transport="FHIR", steps=(other,))

    document = page(written(tmp_path, Evidence(run=run()), Evidence(run=second)))

    (table,) = document.find_class("compare")
    assert len(table.xpath("./thead/tr/th")) == 3
    rows = [[words(cell) for cell in row.xpath("./td")] for row in table.xpath("./tbody/tr")]
    assert rows[0][1] == rows[1][0] == "not a step of this run"
    assert rows[1][1].startswith("✗ Fail")
    assert words(document.find(".//main")).count("No message was captured in this run.") == 2


def test_the_page_is_accessible(tmp_path: Path) -> None:
    """Language, title, one h1, unique ids, working anchors, headed tables, keyboard scrolling."""
    document = page(written(tmp_path, Evidence(run=run(), country_b=(capture(), capture()))))

    assert document.get("lang") == "en"
    assert document.findtext(".//title")
    assert len(document.xpath("//h1")) == 1
    ids = document.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in document.xpath("//a/@href") if link.startswith("#")} <= set(ids)
    assert all(cell.get("scope") for cell in document.xpath("//th"))
    assert all(region.get("tabindex") == "0" for region in document.find_class("scroll"))
    assert all(label in ids for label in document.xpath("//@aria-labelledby"))
    source = html.tostring(document, encoding="unicode")
    assert "prefers-reduced-motion" in source
    assert "@media print" in source


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_enough_in_both_themes(tmp_path: Path) -> None:
    """Every text colour reaches 4.5:1 on every ground it stands on (WCAG 2.1, 1.4.3)."""
    source = written(tmp_path, Evidence(run=run())).html.read_text("utf-8")
    themes = re.findall(r":root \{(.*?)\}", source, re.DOTALL)[:2]
    assert len(themes) == 2

    for theme in themes:
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", theme))
        pairs = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("paper", "wash")]
        pairs += [(name, f"{name}-wash") for name in ("good", "bad", "part", "none")]
        for ink, ground in pairs:
            light, dark = sorted((_luminance(colour[ink]), _luminance(colour[ground])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_a_study_of_thousands_is_counted_and_not_listed(tmp_path: Path) -> None:
    """The report stays small whatever was transferred."""
    part = {
        "headers": [["Content-Type", "application/dicom"]],
        "size_bytes": 9,
        "sha256": "ab" * 32,
    }
    many = capture(answer=message("<r/>", parts=[part] * 3000))

    files = written(tmp_path, Evidence(run=run(), country_b=(many,)))

    assert "Attachments (3000)" in words(page(files))
    assert "and 2950 more" in words(page(files))
    assert files.html.stat().st_size < 200_000
