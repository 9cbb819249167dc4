"""Transcripts read back from the tap's folder, as JSON values.

Reading is tolerant: a journal that ends in the middle of a line, an exchange that never closed
and a file that is gone are all told rather than failed upon. The shapes below are those of the
control port's `/transcripts`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

JOURNAL = "journal.jsonl"
TRANSCRIPT_ID = re.compile(r"[0-9]{8,}-[0-9]{8}T[0-9]{9}Z")
ROLES = ("request", "answer")


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it was on the wire: start line and headers, and the file of its root part.

    `media_type` is that of its Content-Type header; attachments are not among its bytes.
    """

    head: bytes
    body: Path
    media_type: str


def transcript_ids(directory: Path) -> list[str]:
    """The ids of all transcripts in the folder, in the order of opening."""
    with os.scandir(directory) as found:
        return sorted(entry.name for entry in found if TRANSCRIPT_ID.fullmatch(entry.name))


def read_summary(folder: Path, *, live: bool) -> dict[str, Any] | None:
    """What one exchange was: ids, times, outcome, byte counts. None where nothing was kept.

    `state` is "open" while the exchange runs (`live`), "closed" after it ended, "interrupted"
    where it neither runs nor ended.
    """
    told = _fold(folder)
    return _summary(told, live=live) if told else None


def read_transcript(folder: Path, *, live: bool) -> dict[str, Any] | None:
    """The summary, and beside it both messages, the decoded nouns, and the notes."""
    told = _fold(folder)
    if not told:
        return None
    messages = {
        role: _message(folder / f"{role}.body", told[role], told["parts"][role]) for role in ROLES
    }
    return {
        **_summary(told, live=live),
        **messages,
        "decoded": told["decoded"],
        "notes": told["notes"],
    }


def raw_message(folder: Path, role: str) -> RawMessage | None:
    """One message as it was on the wire; None where it was not seen."""
    told = _fold(folder)
    if not told or not told[role]:
        return None
    message = told[role]
    lines = [message["start_line"], *(f"{name}: {value}" for name, value in message["headers"])]
    head = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n"
    named = (value for name, value in message["headers"] if name.lower() == "content-type")
    media_type = next(named, "application/octet-stream").split(";")[0].strip()
    return RawMessage(head, folder / f"{role}.body", media_type)


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = (folder / JOURNAL).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            return  # the exchange died while this line was being written
        yield event


def _fold(folder: Path) -> dict[str, Any]:
    """The journal's events put together; empty where there are none."""
    told: dict[str, Any] = {}
    for event in _events(folder):
        name, at = event.pop("event"), event.pop("at")
        if not told:
            told = {
                "facts": {}, "request": {}, "answer": {}, "closed": {}, "decoded": {}, "notes": {},
                "parts": {role: {} for role in ROLES}, "opened_at": at, "last_at": at,
            }  # fmt: skip
        told["last_at"] = at
        match name:
            case "open" | "identified":
                told["facts"].update(event)
            case "request" | "answer":
                told[name] = {**event, "at": at}
            case "part":
                told["parts"][event["of"]][event["number"]] = {**event, "complete": False}
            case "part-end":
                told["parts"][event["of"]].setdefault(event["number"], {}).update(event)
            case "decoded":
                told["decoded"][event["of"]] = event["noun"]
            case "note":
                told["notes"][event["name"]] = event["value"]
            case "close":
                told["closed"] = {**event, "at": at}
    return told


def _summary(told: dict[str, Any], *, live: bool) -> dict[str, Any]:
    facts, closed = told["facts"], told["closed"]
    last = closed.get("at", told["last_at"])
    return {
        "id": facts.get("id", ""),
        "state": "closed" if closed else "open" if live else "interrupted",
        "transaction": facts.get("transaction", ""),
        "direction": facts.get("direction", ""),
        "correlation_id": facts.get("correlation_id", ""),
        "message_id": facts.get("message_id", ""),
        "peer": facts.get("peer", ""),
        "caller": facts.get("caller", ""),
        "opened_at": told["opened_at"],
        "requested_at": told["request"].get("at", ""),
        "answered_at": told["answer"].get("at", ""),
        "closed_at": closed.get("at", ""),
        "seconds": (_time(last) - _time(told["opened_at"])).total_seconds(),
        "outcome": closed.get("outcome", ""),
        "status": closed.get("status"),
        "refusal": closed.get("refusal", ""),
        "text": closed.get("text", ""),
        "request_bytes": closed.get("request_bytes", _seen(told, "request")),
        "answer_bytes": closed.get("answer_bytes", _seen(told, "answer")),
    }


def _seen(told: dict[str, Any], role: str) -> int:
    seen = [told[role], *told["parts"][role].values()]
    return sum(int(message.get("size_bytes", 0)) for message in seen)


def _message(body: Path, message: dict[str, Any], parts: dict[int, Any]) -> dict[str, Any] | None:
    if not message and not parts:
        return None
    shown = [
        {
            "headers": part["headers"],
            "size_bytes": part.get("size_bytes"),
            "sha256": part.get("sha256", ""),
            "stored": part.get("stored", ""),
            "kept": bool(part.get("file")),
            "why": part.get("why", ""),
            "complete": part["complete"],
        }
        for _, part in sorted(parts.items())
    ]
    text, why = _text(body, message)
    return {
        "at": message.get("at", ""),
        "start_line": message.get("start_line", ""),
        "headers": message.get("headers", []),
        "size_bytes": message.get("size_bytes", 0),
        "kept_bytes": message.get("kept_bytes", 0),
        "sha256": message.get("sha256", ""),
        "text": text,
        "text_missing": why,
        "parts": shown,
    }


def _text(path: Path, message: dict[str, Any]) -> tuple[str | None, str]:
    """The root part as text, or None and the reason."""
    if not message:
        return None, "the message was not seen whole"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None, "its bytes are not kept"
    cut = message.get("kept_bytes", 0) < message.get("size_bytes", 0)
    try:
        text = data.decode("utf-8", "ignore" if cut else "strict")
    except UnicodeDecodeError:
        return None, "it is not UTF-8 text"
    if "\0" in text:
        return None, "it is not text"
    return text, f"only the first {len(data)} bytes are kept" if cut else ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
