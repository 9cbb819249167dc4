"""The sequence diagram: well-formed, complete, and readable without colour."""

from __future__ import annotations

from lxml import etree

from scenarios.exchanges import pair
from scenarios.sequence import sequence_svg

SVG_TEXT = ".//text"


def drawn(width: int = 760, **changes: object) -> etree._Element:
    """The diagram of one exchange."""
    capture = {
        "opened_at": "2026-11-22T12:00:00+00:00",
        "direction": "out",
        "transaction": "RAD-75",
        "message_id": "m",
        "state": "closed",
        "outcome": "success",
        "seconds": 1.5,
        "status": 200,
        "request_bytes": 900,
        "answer_bytes": 14_900_000,
        **changes,
    }
    side: list[list[dict[str, object]]] = [[capture], []]
    if changes.get("transaction") == "RAD-69":
        side.reverse()
    return etree.fromstring(sequence_svg(pair(side[0], side[1]), width=width, link="m"))


def words(svg: etree._Element) -> list[str]:
    return [str(text.text) for text in svg.findall(SVG_TEXT)]


def test_each_message_is_an_arrow_with_its_facts() -> None:
    """Lifelines, transaction, status, bytes and times stand in the drawing; arrows are links."""
    svg = drawn()

    assert words(svg) == [
        "Country B",
        "Country A",
        "1 RAD-75 request",
        "900 B",
        "+0.00 s",
        "complete",
        "200 · 14.9 MB · 1.50 s",
        "+1.50 s",
    ]
    assert [link.get("href") for link in svg.findall(".//a")] == ["#m1", "#m1"]
    assert svg.find(".//path[@class='cross']") is None


def test_something_missing_is_drawn_and_said() -> None:
    """An incomplete answer has a cross and a word; a refusal has its reason."""
    partial = drawn(outcome="partial")
    refused = drawn(outcome="refused", refusal="no-consent")

    assert partial.find(".//path[@class='cross']") is not None
    assert "partial" in words(partial)
    assert "refused: no-consent" in words(refused)


def test_hostile_names_stay_text() -> None:
    """A transaction named by a peer cannot add markup."""
    svg = drawn(transaction='<script>"x"</script>')

    assert svg.find(".//script") is None
    assert svg.findall(".//a")[0].get("aria-label") == '1 <script>"x"</script> request, 900 B'


def test_a_narrow_drawing_fits_and_an_empty_one_is_valid() -> None:
    """At 320 pixels everything lies inside; without messages only lifelines remain."""
    narrow = drawn(320)
    xs = [float(line.get(name, "0")) for line in narrow.findall(".//line") for name in ("x1", "x2")]

    assert narrow.get("width") == "320"
    assert 0 <= min(xs) <= max(xs) <= 320
    assert etree.fromstring(sequence_svg((), width=320, link="m")).findall(".//a") == []


def test_the_imaging_source_gets_its_lifeline_when_asked() -> None:
    """A call of Country A to its own source adds a third lifeline."""
    assert "Imaging source" in words(drawn(transaction="RAD-69"))
