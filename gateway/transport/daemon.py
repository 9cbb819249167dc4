"""A country as a process: logs to standard error as JSON, settings errors as exit code 2."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from gateway.config import Settings, SettingsError, load_settings
from gateway.transport.app import until_stopped, write_ready_file

DONE, FAILED, USAGE = 0, 1, 2
YOUNG = 20_000  # objects made before the collector looks at them while a country serves

_log = structlog.get_logger("gateway")

Running = Callable[[Settings], AbstractAsyncContextManager[Mapping[str, int]]]


def log_as_json() -> None:
    """One JSON line an event on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


@contextmanager
def settled() -> Iterator[None]:
    """What is there now, mostly code, is passed over by the garbage collector until left.

    Otherwise every full collection looks at all of it while everybody waits: for a tenth of a
    second, once in some dozen lists of documents. And it looks less often: one list is thousands
    of objects, which go without it, and would be looked at some thirty times on their way.
    """
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


async def serve(running: Running, config: Path, ready_file: Path | None) -> None:
    """Run a country until SIGTERM; `ready_file` is written when it listens."""
    settings = load_settings(config)
    async with running(settings) as ports:
        _log.info("listening", name=settings.gateway.name, ports=dict(ports))
        with settled():
            if ready_file is not None:
                write_ready_file(ready_file, ports)
            await until_stopped()


def run(job: Coroutine[Any, Any, int | None]) -> int:
    """Run a job to its end; the exit code says how it went: the job's own, where it gives one."""
    log_as_json()
    try:
        return asyncio.run(job) or DONE
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except OSError as error:
        told = error.strerror or str(error)
        if error.filename is not None:
            told += f": {error.filename}; is it there, with room and a right to use it?"
        sys.stderr.write(f"{told}\n")
        return FAILED
