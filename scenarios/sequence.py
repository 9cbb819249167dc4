"""The sequence diagram of a run: lifelines of the countries, an arrow a message, as plain SVG.

Drawn for one width in CSS pixels; a report draws it twice, for wide and for narrow screens, so
that its words are never scaled below reading size. Every arrow is a link to its message. What an
arrow means is said in words and by its shape (solid request, dashed answer, crossed end when
something is missing), never by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from scenarios.exchanges import COUNTRY_A, COUNTRY_B, REFUSED, SOURCE, Exchange
from scenarios.readable import readable_bytes, readable_seconds

ROW = 64  # height of a message: two lines of label above its arrow
HEAD = 44
FOOT = 24
MARGIN = 64
TIME_COLUMN = 74  # where a wide diagram writes when a message left


def sequence_svg(exchanges: Sequence[Exchange], *, width: int, link: str) -> str:
    """The diagram as an `svg` element; `link` is the prefix of the anchors of messages."""
    names = [COUNTRY_B, COUNTRY_A]
    if any(exchange.answerer == SOURCE for exchange in exchanges):
        names.append(SOURCE)
    wide = width >= 600
    left = (TIME_COLUMN if wide else 0) + MARGIN
    gap = (width - left - MARGIN) / (len(names) - 1)
    places = {name: left + gap * index for index, name in enumerate(names)}
    height = HEAD + FOOT + ROW * 2 * len(exchanges)
    lines = [
        f'<svg class="sequence" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="group" aria-label="Sequence diagram: {2 * len(exchanges)} messages between'
        f' {escape(" and ".join(names))}">'
    ]
    lines += [line for name, x in places.items() for line in _lifeline(name, x, height)]
    start = exchanges[0].started if exchanges else None
    y = HEAD
    for exchange in exchanges:
        after = (exchange.started - start).total_seconds() if start else 0.0
        target = f"{link}{exchange.number}"
        y += ROW
        request = f"{readable_bytes(exchange.request_bytes)}"
        lines += _arrow(
            places[exchange.asker], places[exchange.answerer], y, target,
            f"{exchange.number} {exchange.transaction} request", request, "request",
            time=_since(after) if wide else "",
        )  # fmt: skip
        y += ROW
        first, second = _answer_words(exchange)
        kind = "answer-bad" if exchange.is_incomplete else "answer"
        lines += _arrow(
            places[exchange.answerer], places[exchange.asker], y, target, first, second, kind,
            time=_since(after + exchange.seconds) if wide else "",
        )  # fmt: skip
    return "".join([*lines, "</svg>"])


def _answer_words(exchange: Exchange) -> tuple[str, str]:
    status = str(exchange.status) if exchange.status else "no status"
    if exchange.state == REFUSED:
        first = f"refused: {exchange.refusal}" if exchange.refusal else "refused"
    else:
        first = exchange.state
    size, seconds = readable_bytes(exchange.answer_bytes), readable_seconds(exchange.seconds)
    return first, f"{status} · {size} · {seconds}"


def _lifeline(name: str, x: float, height: int) -> list[str]:
    box = 112
    return [
        f'<line class="life" x1="{x:.0f}" y1="{HEAD - 8}" x2="{x:.0f}" y2="{height - 8}"/>',
        f'<rect class="head" x="{x - box / 2:.0f}" y="4" width="{box}" height="{HEAD - 12}"'
        ' rx="6"/>',
        f'<text class="name" x="{x:.0f}" y="25" text-anchor="middle">{escape(name)}</text>',
    ]


def _arrow(
    x1: float, x2: float, y: int, target: str, first: str, second: str, kind: str, *, time: str
) -> list[str]:
    toward = 1 if x2 > x1 else -1
    tip, middle = x2 - toward * 3, (x1 + x2) / 2
    label = escape(f"{first}, {second}")
    parts = [
        f'<a href="#{target}" aria-label="{label}">',
        f'<rect class="hit" x="{min(x1, x2):.0f}" y="{y - 42}" width="{abs(x2 - x1):.0f}"'
        ' height="50"/>',
        f'<text class="what" x="{middle:.0f}" y="{y - 25}" text-anchor="middle">'
        f"{escape(_short(first, abs(x2 - x1)))}</text>",
        f'<text class="how" x="{middle:.0f}" y="{y - 9}" text-anchor="middle">'
        f"{escape(second)}</text>",
        f'<line class="{kind}" x1="{x1 + toward * 3:.0f}" y1="{y}" x2="{tip:.0f}" y2="{y}"/>',
    ]
    if kind == "answer-bad":
        x = middle + toward * 30
        parts += [
            f'<path class="cross" d="M{x - 6:.0f} {y - 6}l12 12M{x + 6:.0f} {y - 6}l-12 12"/>'
        ]
    back = tip - toward * 10
    parts += [f'<path class="{kind}" d="M{back:.0f} {y - 5}L{tip:.0f} {y}L{back:.0f} {y + 5}"/>']
    if time:
        parts += [f'<text class="when" x="4" y="{y + 4}">{time}</text>']
    return [*parts, "</a>"]


def _short(text: str, room: float) -> str:
    most = int(room / 7.2)  # the widest average a label's letters have at its size
    return text if len(text) <= most else text[: most - 1] + "…"


def _since(seconds: float) -> str:
    return f"+{seconds:.2f} s" if seconds < 1000 else f"+{seconds:.0f} s"
