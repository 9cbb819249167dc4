"""What came in a JSON body, read field by field: every mistake is named, all of them at once.

A `Form` collects problems while fields are taken out of it; `close` raises them, and names the
fields nobody knows. Values come out as nouns of the domain.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from gateway.domain import (
    Code,
    InvalidIdentifier,
    Oid,
    PatientId,
    TimeRange,
)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_TEXT = 1000
MAX_NESTING = 20  # of a JSON body; ours have three levels
MAX_ITEMS = 20_000  # instances of one request; lists of anything else are far shorter


class BadInput(Exception):
    """A body that cannot be used: the problem of each field, by its path."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = problems


class Form:
    """A JSON object being read. `problems` is shared with the forms inside it."""

    def __init__(
        self, values: Any, *, path: str = "", problems: dict[str, str] | None = None
    ) -> None:
        self.problems: dict[str, str] = {} if problems is None else problems
        self._path = path
        self._known: set[str] = set()
        self._inner: list[Form] = []
        self._values: dict[str, Any] = {}
        if isinstance(values, dict):
            self._values = values
        else:
            self.problem("", "expected a JSON object")

    def problem(self, name: str, text: str) -> None:
        """Note what is wrong with a field."""
        path = ".".join(part for part in (self._path, name) if part) or "body"
        self.problems.setdefault(path, text)

    def close(self) -> None:
        """Raise `BadInput` if anything was wrong, unknown fields included."""
        self._close()
        if self.problems:
            raise BadInput(self.problems)

    def _close(self) -> None:
        for name in self._values.keys() - self._known:
            self.problem(str(name)[:80], "is not a field of this request")
        for form in self._inner:
            form._close()

    def _take(self, name: str) -> Any:
        self._known.add(name)
        return self._values.get(name)

    def has(self, name: str) -> bool:
        """Whether a field is given."""
        return self._values.get(name) is not None

    def text(self, name: str, *, required: bool = True, limit: int = MAX_TEXT) -> str:
        """A text, stripped; "" when it is not given and need not be."""
        given = self._take(name)
        if given is not None and not isinstance(given, str):
            self.problem(name, "expected a text")
            return ""
        value = str(given or "").strip()
        if required and not value:
            self.problem(name, "is needed")
        if len(value) > limit or not value.isprintable():
            self.problem(name, f"expected at most {limit} printable characters")
            return ""
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problem(name, "expected true or false")
            return default
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number within limits, None when it is not given."""
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problem(name, "expected a number")
            return None
        if not least <= value <= most:
            self.problem(name, f"expected a number from {least:g} to {most:g}")
            return None
        return float(value)

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E | None:
        """One of a set of words; the default, or None, when it is not given."""
        value = self._take(name)
        if value is None and default is not None:
            return default
        try:
            return kind(value)
        except ValueError:
            self.problem(name, f"expected one of {', '.join(kind)}")
            return None

    def one_of(self, name: str, words: Collection[str]) -> str:
        """One of a few words."""
        value = self.text(name)
        if value and value not in words:
            self.problem(name, f"expected one of {', '.join(words)}")
        return value

    def texts(self, name: str, *, required: bool = False, limit: int = MAX_ITEMS) -> list[str]:
        """A list of texts."""
        value = self._take(name)
        if value is None:
            value = []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.problem(name, "expected a list of texts")
            return []
        if len(value) > limit:
            self.problem(name, f"expected at most {limit} items")
            return []
        if required and not value:
            self.problem(name, "is needed")
        return [str(item).strip() for item in value]

    def parsed(self, name: str, parse: Callable[[str], T], *, required: bool = True) -> T | None:
        """A text that a noun of the domain is made of."""
        text = self.text(name, required=required)
        return self.read(name, parse, text) if text else None

    def all_parsed(self, name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        """A list of texts that nouns of the domain are made of."""
        read = [self.read(name, parse, text) for text in self.texts(name)]
        return tuple(item for item in read if item is not None)

    def read(self, name: str, parse: Callable[[str], T], text: str) -> T | None:
        """What a parser makes of a text, or None and a problem."""
        try:
            return parse(text)
        except InvalidIdentifier as error:
            self.problem(name, f"expected {error.expected}")
        except (ValueError, OverflowError) as error:
            self.problem(name, str(error)[:200])
        return None

    def day(self, name: str, *, required: bool = False) -> date | None:
        """A date, YYYY-MM-DD."""
        return self.parsed(name, date.fromisoformat, required=required)

    def moment(self, name: str) -> datetime | None:
        """A date and time with a zone, ISO 8601; UTC where no zone is given."""
        return self.parsed(name, _moment, required=False)

    def period(self, first: str, last: str) -> TimeRange:
        """Two dates, both included, or two moments, the second not included; either may lack."""
        start, end = self.text(first, required=False), self.text(last, required=False)
        begins = self.read(first, _moment, start) if start else None
        ends = self.read(last, _end, end) if end else None
        if begins is not None and ends is not None and begins >= ends:
            self.problem(last, "is not after the first")
        return TimeRange(start=begins, end=ends)

    def form(self, name: str, *, required: bool = True) -> Form | None:
        """An object inside this one, None when it is not given."""
        value = self._take(name)
        if value is None:
            if required:
                self.problem(name, "is needed")
            return None
        path = ".".join(part for part in (self._path, name) if part)
        inner = Form(value, path=path, problems=self.problems)
        self._inner.append(inner)
        return inner

    def forms(self, name: str) -> list[Form]:
        """A list of objects."""
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            self.problem(name, "expected a list of objects")
            return []
        path = ".".join(part for part in (self._path, name) if part)
        inner = [
            Form(item, path=f"{path}.{number}", problems=self.problems)
            for number, item in enumerate(value)
        ]
        self._inner += inner
        return inner

    def code(self, name: str, *, scheme: str = "", required: bool = False) -> Code | None:
        """A code: an object of value, scheme and display, or a text where the scheme is known."""
        value = self._values.get(name)
        if isinstance(value, str) and scheme:
            text = self.text(name, required=required, limit=64)
            return Code(text, scheme) if text else None
        inner = self.form(name, required=required)
        if inner is None:
            return None
        code = Code(
            inner.text("value", limit=256),
            inner.text("scheme", required=not scheme, limit=256) or scheme,
            inner.text("display", required=False),
        )
        return code if code.value and code.scheme else None


def patient_id(form: Form) -> PatientId | None:
    """A patient identifier: `value` and `authority` (an OID)."""
    value = form.text("value", limit=256)
    authority = form.parsed("authority", Oid.parse)
    if not value or authority is None:
        return None
    return form.read("value", lambda text: PatientId(text, authority), value)


def _moment(text: str) -> datetime:
    """A time in UTC; the first and the last that a date can hold may have none."""
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _end(text: str) -> datetime:
    """The end of a period: of a day when no time is given."""
    value = _moment(text)
    return value + timedelta(days=1) if len(text) == len("2026-01-31") else value


def parse_body(data: bytes) -> Any:
    """A JSON body; {} where there is none. Nesting is limited before it is parsed."""
    if not data.strip():
        return {}
    if data.count(b"[") + data.count(b"{") > MAX_NESTING and _depth(data) > MAX_NESTING:
        raise BadInput({"body": f"is nested deeper than {MAX_NESTING} levels"})
    try:
        return json.loads(data)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are both one
        raise BadInput({"body": f"is not JSON: {error}"[:200]}) from None


def _depth(data: bytes) -> int:
    """How deep brackets go; those inside texts count too, which errs on the safe side."""
    deepest = depth = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
