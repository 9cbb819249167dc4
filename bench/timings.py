"""Where the CPU time of a server process goes, by what is done: clocks around a few functions.

Not a profiler: a dozen functions are wrapped while a `Timings` is entered, each counted under the
subject of the outermost of them that runs, by the CPU clock of the thread. Coroutines are counted
step by step. Threads other than the main one are those of the database driver. What is left over
of the process's CPU time is the rest: HTTP, dispatch, the decisions themselves. Counted is from
the end of the exchange that ends the warming up to the end of the last one.
"""

from __future__ import annotations

import functools
import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType, coroutine
from typing import Any, Self, TypeAlias

from country_a.national.consent_register import SqlConsentRegister
from country_a.national.patient_index import SqlPatientIndex
from country_a.national.registry import SqlRegistry
from gateway.transport import record, soap_server
from gateway.transport.tap import Tap, Transcript
from gateway.wire import saml_context
from gateway.wire.soap import xca_query

Wrapping: TypeAlias = Callable[[str, Callable[..., Any]], Callable[..., Any]]

# What is wrapped: the subject it counts under, who holds the name, and the name.
FUNCTIONS: tuple[tuple[str, Any, str], ...] = (
    ("tls", ssl.SSLObject, "read"),
    ("tls", ssl.SSLObject, "write"),
    ("tls", ssl.SSLObject, "do_handshake"),
    ("signature", saml_context, "verify"),
    ("xml", soap_server, "read_envelope"),
    ("xml", soap_server, "write_envelope"),
    ("xml", xca_query, "decode_request"),
    ("xml", xca_query, "encode_response"),
    ("keeping", Tap, "open"),
    ("keeping", Transcript, "decoded"),
    ("keeping", Transcript, "request"),
    ("keeping", Transcript, "answer"),
    ("keeping", record.Record, "finish"),
)
COROUTINES: tuple[tuple[str, Any, str], ...] = (
    ("sql", SqlRegistry, "find"),
    ("sql", SqlPatientIndex, "get"),
    ("sql", SqlConsentRegister, "rule"),
)
WARM_UP = 20
SUBJECTS = ("tls", "signature", "xml", "sql", "keeping")


class Timings:
    """Counts while entered; on leaving, the seconds by subject are written as JSON.

    Beside the `SUBJECTS` these are `main` and `threads`: all of the main thread, and of the others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._busy = False
        self._kept: list[tuple[Any, str, Any]] = []
        self._ended = 0
        self._warm: dict[str, float] = {}
        self._last: dict[str, float] = {}

    @contextmanager
    def _clock(self, subject: str) -> Iterator[None]:
        if self._busy or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._busy = True
        started = time.thread_time()
        try:
            yield
        finally:
            self._seconds[subject] += time.thread_time() - started
            self._busy = False

    def _function(self, subject: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._clock(subject):
                return function(*args, **kwargs)

        return timed

    def _coroutine(self, subject: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @coroutine
        def steps(inner: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
            sent: Any = None
            while True:
                with self._clock(subject):
                    try:
                        waits_for = inner.send(sent)
                    except StopIteration as done:
                        return done.value
                sent = yield waits_for

        @functools.wraps(function)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            return await steps(function(*args, **kwargs))

        return timed

    def _exchange(self, _: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def ends(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            finally:
                main = time.thread_time()
                threads = time.process_time() - main
                self._last = {**self._seconds, "main": main, "threads": threads}
                self._ended += 1
                if self._ended == WARM_UP:
                    self._warm = self._last

        return ends

    def __enter__(self) -> Self:
        wrapped: list[tuple[Wrapping, tuple[str, Any, str]]]
        wrapped = [(self._function, one) for one in FUNCTIONS]
        wrapped += [(self._coroutine, one) for one in COROUTINES]
        wrapped.append((self._exchange, ("", record.Record, "finish")))  # around its clock
        for wrap, (subject, holder, name) in wrapped:
            self._kept.append((holder, name, getattr(holder, name)))
            setattr(holder, name, wrap(subject, getattr(holder, name)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for holder, name, original in reversed(self._kept):
            setattr(holder, name, original)
        spent = {name: end - self._warm.get(name, 0) for name, end in self._last.items()}
        self._path.write_text(json.dumps(spent), encoding="utf-8")
