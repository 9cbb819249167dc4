"""The report of one or several runs: `report.json` for programs, `report.html` for people.

The HTML is one file that needs no other and no network: steps with durations, bytes and rates, a
sequence diagram, and every captured message to open. Root parts of messages are also written as
files, `messages/…`, which `report.json` names.

A pass is shown with a tick only where nothing that crossed the border was incomplete: a scenario
may expect a partial answer, but a reader must not take it for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scenarios.exchanges import COUNTRY_A, COUNTRY_B, Exchange, Transcript, pair
from scenarios.readable import (
    Shown,
    Signature,
    readable_bytes,
    readable_json,
    readable_rate,
    readable_seconds,
    readable_xml,
    signatures,
)
from scenarios.result import MessageLine, Run, Step, Verdict, write_json
from scenarios.sequence import sequence_svg

TEMPLATES = Path(__file__).parent / "templates"
WIDE, NARROW = 760, 320
# More attachments than this are counted and not listed: a study may have thousands.
MAX_PARTS_SHOWN = 50

_MARKS = {
    Verdict.PASS: ("✓", "Pass"),
    Verdict.FAIL: ("✗", "Fail"),
    Verdict.INCOMPLETE: ("◐", "Incomplete"),
    Verdict.SKIPPED: ("–", "Skipped"),
}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A run and the transcripts both control ports kept of it (`GET /transcripts/{id}`)."""

    run: Run
    country_b: tuple[Transcript, ...] = ()
    country_a: tuple[Transcript, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the two reports were written."""

    json: Path
    html: Path


def write_report(
    directory: Path, evidence: Sequence[Evidence], *, generated: datetime
) -> ReportFiles:
    """Write both reports and the messages into a folder; `generated` is shown as their date."""
    (directory / "messages").mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    shown: list[dict[str, Any]] = []
    for number, each in enumerate(evidence, 1):
        exchanges = pair(each.country_b, each.country_a)
        files = _write_messages(directory, number, each.run, exchanges)
        run = replace(each.run, messages=_lines(exchanges, files))
        runs.append(run)
        shown.append(_run_view(number, run, exchanges, files))
    files_written = ReportFiles(directory / "report.json", directory / "report.html")
    write_json(files_written.json, runs)
    files_written.html.write_text(_render(shown, generated), "utf-8")
    return files_written


def _render(runs: list[dict[str, Any]], generated: datetime) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # every message shown came from somebody else
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    when = generated.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    return environment.get_template("report.html.j2").render(
        runs=runs, comparisons=_comparisons(runs), when=when
    )


def _write_messages(
    directory: Path, number: int, run: Run, exchanges: Sequence[Exchange]
) -> dict[tuple[int, str], str]:
    """The root parts as files, by exchange and role; paths relative to the report."""
    written = {}
    scenario = _NOT_A_NAME.sub("-", f"{run.scenario}-{run.transport}").strip("-").lower()
    for exchange in exchanges:
        for role in ("request", "answer"):
            text = _best(exchange, role).get("text")
            if text is None:
                continue
            transaction = _NOT_A_NAME.sub("-", exchange.transaction)
            suffix = "xml" if text.lstrip().startswith("<") else "txt"
            name = f"{number}-{scenario}-{exchange.number:03d}-{transaction}-{role}.{suffix}"
            relative = f"messages/{name}"
            (directory / relative).write_text(text, "utf-8", newline="")
            written[exchange.number, role] = relative
    return written


def _best(exchange: Exchange, role: str) -> Mapping[str, Any]:
    """A message from the side that has it, its sender first."""
    sides = (exchange.asker, exchange.answerer) if role == "request" else (
        exchange.answerer, exchange.asker
    )  # fmt: skip
    views = [exchange.views[side] for side in sides if side in exchange.views]
    found = (view.get(role) for view in views or [exchange.view])
    return next((message for message in found if message), {})


def _lines(
    exchanges: Sequence[Exchange], files: Mapping[tuple[int, str], str]
) -> tuple[MessageLine, ...]:
    return tuple(
        MessageLine(
            transaction=exchange.transaction,
            direction=role,
            status=exchange.status if role == "answer" else None,
            bytes=exchange.answer_bytes if role == "answer" else exchange.request_bytes,
            file=files.get((exchange.number, role), ""),
        )
        for exchange in exchanges
        for role in ("request", "answer")
    )


def mark_of(verdict: Verdict, incomplete: int = 0) -> dict[str, str]:
    """How a verdict is shown: a sign, words, a style. No tick where something is incomplete."""
    if verdict is Verdict.PASS and incomplete:
        sign, _ = _MARKS[Verdict.INCOMPLETE]
        transfers = "transfer" if incomplete == 1 else "transfers"
        words = f"As expected, with {incomplete} incomplete {transfers}"
        return {"sign": sign, "words": words, "style": Verdict.INCOMPLETE.value}
    sign, words = _MARKS[verdict]
    return {"sign": sign, "words": words, "style": verdict.value}


def _run_view(
    number: int, run: Run, exchanges: Sequence[Exchange], files: Mapping[tuple[int, str], str]
) -> dict[str, Any]:
    link = f"run{number}-message"
    seconds = sum(step.seconds for step in run.steps)
    size = sum(step.bytes for step in run.steps)
    return {
        "number": number,
        "scenario": run.scenario,
        "transport": run.transport,
        "line": run.link,
        "pictures": [
            # Built by us from escaped text; see `pictures`.
            {"title": picture.title, "svg": Markup(picture.svg), "caption": picture.caption}
            for picture in run.pictures
        ],
        "mark": mark_of(run.verdict, sum(exchange.is_incomplete for exchange in exchanges)),
        "steps": [_step_view(step) for step in run.steps],
        "total": {
            "seconds": readable_seconds(seconds),
            "bytes": readable_bytes(size),
            "rate": readable_rate(size, seconds),
        },
        # Built by us from escaped text; see `sequence`.
        "wide": Markup(sequence_svg(exchanges, width=WIDE, link=link)),
        "narrow": Markup(sequence_svg(exchanges, width=NARROW, link=link)),
        "link": link,
        "exchanges": [_exchange_view(exchange, files) for exchange in exchanges],
    }


def _step_view(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "name": step.name,
        "mark": mark_of(step.verdict),
        "seconds": readable_seconds(step.seconds),
        "bytes": readable_bytes(step.bytes) if step.bytes else "",
        "rate": readable_rate(step.bytes, step.seconds),
        "note": step.note,
    }


def _exchange_view(exchange: Exchange, files: Mapping[tuple[int, str], str]) -> dict[str, Any]:
    bad = exchange.is_incomplete
    return {
        "number": exchange.number,
        "transaction": exchange.transaction,
        "asker": exchange.asker,
        "answerer": exchange.answerer,
        "state": exchange.state,
        "sign": "◐" if bad else "⊘" if exchange.state == "refused" else "✓",
        "style": "incomplete" if bad else "refused" if exchange.state == "refused" else "pass",
        "status": exchange.status or "none",
        "refusal": exchange.refusal,
        "text": exchange.text,
        "seen_by": exchange.seen_by,
        "started": exchange.started.isoformat(timespec="milliseconds"),
        "seconds": readable_seconds(exchange.seconds),
        "request_bytes": readable_bytes(exchange.request_bytes),
        "answer_bytes": readable_bytes(exchange.answer_bytes),
        "rate": readable_rate(exchange.answer_bytes, exchange.seconds),
        "message_id": str(exchange.view.get("message_id", "")),
        "correlation_id": str(exchange.view.get("correlation_id", "")),
        "signatures": _signatures(exchange),
        "messages": [
            _message_view(exchange, role, files.get((exchange.number, role), ""))
            for role in ("request", "answer")
        ],
        "notes": _notes(exchange),
    }


def _signatures(exchange: Exchange) -> tuple[Signature, ...]:
    return signatures(str(_best(exchange, "request").get("text") or ""))


def _notes(exchange: Exchange) -> list[tuple[str, Shown]]:
    views = ((side, exchange.views[side].get("notes")) for side in (COUNTRY_B, COUNTRY_A)
             if side in exchange.views)  # fmt: skip
    return [(side, readable_json(notes)) for side, notes in views if notes]


def _message_view(exchange: Exchange, role: str, file: str) -> dict[str, Any]:
    message = _best(exchange, role)
    text = message.get("text")
    parts = message.get("parts", [])
    return {
        "role": role,
        "seen": bool(message),
        "start_line": message.get("start_line", ""),
        "headers": message.get("headers", []),
        "body": readable_xml(text) if text else Shown(""),
        "missing": message.get("text_missing", ""),
        "size": readable_bytes(int(message.get("size_bytes") or 0)),
        "sha256": message.get("sha256", ""),
        "file": file,
        "parts": [_part_view(part) for part in parts[:MAX_PARTS_SHOWN]],
        "part_count": len(parts),
        "decoded": _decoded(exchange, role),
    }


def _part_view(part: Mapping[str, Any]) -> dict[str, str]:
    headers = {str(name).lower(): str(value) for name, value in part.get("headers", [])}
    return {
        "type": headers.get("content-type", ""),
        "size": readable_bytes(int(part.get("size_bytes") or 0)),
        "sha256": str(part.get("sha256", "")),
        "state": "complete" if part.get("complete", True) else "broken off",
        "stored": str(part.get("stored", "")),
    }


def _decoded(exchange: Exchange, role: str) -> list[tuple[str, Shown]]:
    """What each side understood; once where both understood the same."""
    found = [
        (side, view.get("decoded", {}).get(role))
        for side, view in exchange.views.items()
        if view.get("decoded", {}).get(role) is not None
    ]
    if len(found) == 2 and found[0][1] == found[1][1]:
        return [("both countries", readable_json(found[0][1]))]
    return [(side, readable_json(noun)) for side, noun in found]


def _comparisons(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tables that set runs of one scenario side by side; none for a scenario told once."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        told.setdefault(run["scenario"], []).append(run)
    return [
        {"scenario": scenario, "runs": group, "rows": _rows(group)}
        for scenario, group in told.items()
        if len(group) > 1
    ]


def _rows(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a step, a cell a run or None."""
    steps: dict[tuple[int, str], list[Any]] = {}
    for column, run in enumerate(runs):
        for step in run["steps"]:
            row = steps.setdefault((step["number"], step["name"]), [None] * len(runs))
            row[column] = step
    return [
        {"number": number, "name": name, "cells": cells}
        for (number, name), cells in sorted(steps.items(), key=lambda item: item[0])
    ]
