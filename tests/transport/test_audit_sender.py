"""Audit events reach the repository: all of them, in order, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.config import AuditSection, LimitSection, SettingsError
from gateway.pki import TrustDomain
from gateway.transport import audit_sender
from gateway.transport.app import Listener, serving
from gateway.transport.audit_sender import AuditSender, sending
from gateway.transport.audit_store import AuditStore
from gateway.transport.compose import Clockwork, audit_sent, keeper_of, tls_server
from gateway.transport.tls import peer_of
from gateway.wire.fhir.resources import validated
from tests.builders import COUNTRY_A, COUNTRY_B, make_audit_event
from tests.gateways import settings_for, write_trust


class Repository:
    """An audit repository that answers with given statuses, then with 201; and a clock to watch."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.got: list[Any] = []
        self.callers: list[str] = []
        self.pauses: list[float] = []
        self.arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """One post."""
        assert request.content_type == "application/fhir+json"
        self.got.append(await request.json())
        self.callers.append(peer_of(request.get_extra_info("ssl_object")).subject)
        self.arrived.set()
        return self.answers.pop(0) if self.answers else web.Response(status=201)

    async def until(self, many: int) -> None:
        """Wait for so many posts."""
        while len(self.got) < many:
            self.arrived.clear()
            await self.arrived.wait()

    async def pause(self, seconds: float) -> None:
        """Waiting that takes no time and is noted; it lets others have their turn."""
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    @property
    def ids(self) -> list[str]:
        """The ids of what came, in order."""
        return [each["id"] for each in self.got]

    @asynccontextmanager
    async def served(self, **options: Any) -> AsyncIterator[str]:
        """The repository on the network; its base."""
        app = web.Application()
        app.router.add_post("/arr/AuditEvent", self.take)
        listener = Listener(name="arr", app=app, host="127.0.0.1", port=0, **options)
        async with serving(listener) as ports:
            scheme = "https" if options else "http"
            yield f"{scheme}://127.0.0.1:{ports['arr']}/arr"


@asynccontextmanager
async def sender_to(
    repository: Repository, url: str, store: AuditStore, folder: Path
) -> AsyncIterator[AuditSender]:
    """A sender of a trail to a repository, whose pauses take no time."""
    async with aiohttp.ClientSession() as session:
        yield AuditSender(
            store,
            url,
            session=session,
            folder=folder,
            limits=LimitSection(),
            pause=repository.pause,
        )


@pytest.fixture
def store(tmp_path: Path) -> AuditStore:
    """A trail of three events."""
    store = AuditStore(tmp_path / "audit", "s")
    for number in (1, 2, 3):
        store.append(make_audit_event(id=f"e-{number}"))
    return store


Send = Callable[[Repository], Awaitable[AuditSender]]


@pytest.fixture
def send(store: AuditStore, tmp_path: Path) -> Send:
    """Send everything there is to a repository, once."""

    async def send(repository: Repository) -> AuditSender:
        async with (
            repository.served() as url,
            sender_to(repository, url, store, tmp_path) as sender,
        ):
            await sender.send_new()
        return sender

    return send


def dead_letters(folder: Path) -> list[Any]:
    """What was refused for good."""
    path = folder / audit_sender.DEAD_LETTER_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_events_arrive_in_order_and_are_valid(send: Send, store: AuditStore) -> None:
    """Each is the resource the trail keeps."""
    repository = Repository()

    sender = await send(repository)

    assert repository.ids == ["e-1", "e-2", "e-3"]
    assert repository.got == [json.loads(record.fhir) for record in store.events()]
    validated(repository.got[0])
    assert sender.settled == 3
    assert repository.pauses == []


async def test_a_restart_goes_on_after_the_mark(send: Send, store: AuditStore) -> None:
    """Nothing is sent twice that was settled, and nothing appended meanwhile is missed."""
    first, second = Repository(), Repository()

    await send(first)
    store.append(make_audit_event(id="e-4"))
    await send(second)

    assert second.ids == ["e-4"]


async def test_a_sender_that_is_stopped_midway_loses_nothing(
    store: AuditStore, tmp_path: Path
) -> None:
    """What was not settled is sent by the next one."""
    down = Repository(*(web.Response(status=503) for _ in range(1000)))
    down.answers.insert(0, web.Response(status=201))
    async with (
        down.served() as url,
        sender_to(down, url, store, tmp_path) as sender,
        sending(sender),
    ):
        await down.until(4)
    after = Repository()

    async with after.served() as url, sender_to(after, url, store, tmp_path) as sender:
        await sender.send_new()

    assert set(down.ids) == {"e-1", "e-2"}
    assert after.ids == ["e-2", "e-3"]


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
async def test_what_is_refused_for_good_becomes_a_dead_letter(
    send: Send, tmp_path: Path, status: int
) -> None:
    """With its reason, and the events behind it are sent."""
    repository = Repository(web.Response(status=201), web.Response(status=status, text="not so"))

    with capture_logs() as logs:
        await send(repository)

    assert repository.ids == ["e-1", "e-2", "e-3"]
    assert dead_letters(tmp_path) == [
        {"number": 2, "id": "e-2", "status": status, "reason": "not so"}
    ]
    assert (tmp_path / audit_sender.DEAD_LETTER_FILE).stat().st_mode & 0o777 == 0o600
    assert [(log["event"], log["number"]) for log in logs] == [("audit.refused", 2)]


@pytest.mark.parametrize("status", [302, 401, 408, 429, 500, 503])
async def test_what_may_be_taken_later_is_sent_again(
    send: Send, tmp_path: Path, status: int
) -> None:
    """The same event, ever more seldom, before any other."""
    repository = Repository(*(web.Response(status=status) for _ in range(3)))

    await send(repository)

    assert repository.ids == ["e-1", "e-1", "e-1", "e-1", "e-2", "e-3"]
    assert repository.pauses == [1.0, 2.0, 4.0]
    assert dead_letters(tmp_path) == []


async def test_the_longest_wait_has_a_limit(send: Send) -> None:
    """Whatever the repository asks for; what it cannot mean is passed over."""
    asked = ["7", "9" * 9, "Sun, 22 Nov 2026 12:00:00 GMT", "-5"]
    repository = Repository(
        *(web.Response(status=503, headers={"Retry-After": text}) for text in asked),
        *(web.Response(status=503) for _ in range(6)),
    )

    await send(repository)

    assert repository.pauses == [7.0, 300.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]


async def test_a_repository_out_of_reach_is_tried_again(
    store: AuditStore, tmp_path: Path, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is settled until it is there, and then everything arrives."""
    gone, back = Repository(), Repository()
    async with gone.served() as url:
        pass  # its port is free again
    waits = []

    async def give_up(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(gone, "pause", give_up)
    async with sender_to(gone, url, store, tmp_path) as sender:
        with pytest.raises(asyncio.CancelledError):
            await sender.send_new()
    await send(back)

    assert waits == [1.0, 2.0]
    assert sender.settled == 0
    assert back.ids == ["e-1", "e-2", "e-3"]


async def test_what_comes_later_is_sent_too(store: AuditStore, tmp_path: Path) -> None:
    """The sender looks after the trail for as long as it runs; appending waits for nobody."""
    repository = Repository()
    async with (
        repository.served() as url,
        sender_to(repository, url, store, tmp_path) as sender,
        sending(sender),
    ):
        await repository.until(3)
        store.append(make_audit_event(id="e-4"))
        await repository.until(4)

    assert repository.ids == ["e-1", "e-2", "e-3", "e-4"]


async def test_a_mark_that_cannot_be_written_is_told_and_tried_again(
    store: AuditStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending twice is better than losing one."""
    repository = Repository()
    real, full = AuditSender._note, [True]

    def note(self: AuditSender, *told: Any) -> None:
        if full:
            full.pop()
            raise OSError(28, "No space left on device")
        real(self, *told)

    monkeypatch.setattr(AuditSender, "_note", note)
    async with repository.served() as url, sender_to(repository, url, store, tmp_path) as sender:
        with capture_logs() as logs:
            async with sending(sender):
                await repository.until(4)

    assert repository.ids == ["e-1", "e-1", "e-2", "e-3"]
    assert logs[0]["why"] == "No space left on device"


async def test_a_trail_begun_anew_is_sent_from_its_beginning(send: Send, tmp_path: Path) -> None:
    """A mark beyond the trail's end is of another trail."""
    (tmp_path / audit_sender.MARK_FILE).write_text("4\n")
    repository = Repository()

    await send(repository)

    assert repository.ids == ["e-1", "e-2", "e-3"]


async def test_a_mark_that_is_no_number_is_told_with_its_file(send: Send, tmp_path: Path) -> None:
    """Guessing would lose events, or send years of them again."""
    (tmp_path / audit_sender.MARK_FILE).write_text("yesterday")

    with pytest.raises(SettingsError, match=r"audit-sent.*yesterday"):
        await send(Repository())


async def test_records_of_before_there_were_audit_events_are_passed_over(
    store: AuditStore, tmp_path: Path
) -> None:
    """They have no form to send."""
    [file] = (tmp_path / "audit").iterdir()
    index, xml, _, *rest = file.read_bytes().splitlines(keepends=True)
    told = {key: value for key, value in json.loads(index).items() if key[:5] != "fhir_"}
    file.write_bytes(b"".join([json.dumps(told).encode() + b"\n", xml, *rest]))
    repository = Repository()

    async with repository.served() as url, sender_to(repository, url, store, tmp_path) as sender:
        await sender.send_new()

    assert repository.ids == ["e-2", "e-3"]


async def test_a_gateway_sends_with_its_tls_certificate(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """To the repository of its settings; without one there is nothing to send to."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    theirs = settings_for(COUNTRY_B, "XB", certs, tmp_path / "b")
    ours = settings_for(COUNTRY_A, "XA", certs, tmp_path / "a")
    keeper = keeper_of(ours, clockwork)
    keeper.audit.append(make_audit_event(id="e-1"))
    repository = Repository()

    async with repository.served(tls=tls_server(theirs.tls)) as url:
        section = AuditSection(repository_url=url.replace("127.0.0.1", "localhost"))
        async with audit_sent(ours.model_copy(update={"audit": section}), keeper):
            await repository.until(1)
    async with audit_sent(ours, keeper):
        pass

    assert repository.ids == ["e-1"]
    assert "CN=" in repository.callers[0]
