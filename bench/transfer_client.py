"""Country B as it is measured: one transfer for every line of standard input, told as JSON.

    python -m bench.transfer_client FOLDER PORT PLAIN_PORT STORE

Ways to take in the same number of bytes over the same client session: `plain` from the bare server,
`rad75-discard` from Country A's RAD-75 endpoint and `wado-discard` by WADO-RS, all read and thrown
away; and `rad75-intake` and `wado-intake`, the real thing: parsed, hashed, checked, stored and
entered in the index by Country B's own code.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from bench.places import IDENTITY, call_context, settings_b
from bench.transfer_files import REPOSITORY, bytes_of, manifest_of
from country_b.app import CLOCKWORK, IMAGES_PER_STUDY
from country_b.blobs import BlobStore
from country_b.database import create_tables, database_url, make_engine
from country_b.image_intake import ImageIntake, ImageSelection
from country_b.image_progress import JobState
from country_b.initiator import IMAGES_PER_REQUEST, Community, Initiator
from country_b.kept import KeptStore
from country_b.reading import DicomReading
from country_b.session import Session, State
from gateway.config import Settings
from gateway.domain import DeliveryWish, ImageRequest, ImagingManifest
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.transport.bodies import OutgoingBody
from gateway.transport.compose import (
    exchanges_of,
    fingerprint_of,
    keeper_of,
    session_of,
    signer_of,
    token_signer_of,
)
from gateway.wire.dicom.accept import accept_for
from gateway.wire.dicom.web import ImageScope, write_path
from gateway.wire.fhir.security import attach_context as attach_token
from gateway.wire.soap import xca_images
from gateway.wire.soap.envelope import ANONYMOUS, write_envelope
from gateway.wire.soap.mtom import mtom_content_type
from gateway.wire.soap.security import attach_context
from tests.builders import COUNTRY_A, COUNTRY_B

PROFILE = "ihe"
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_read=60)


class Taker:
    """Takes in instances in each of the ways."""

    def __init__(
        self, settings: Settings, session: aiohttp.ClientSession, store: Path, plain_port: int
    ) -> None:
        self._settings = settings
        self._session = session
        self._store = store
        self._plain_url = f"https://localhost:{plain_port}/"
        self._keeper = keeper_of(settings, CLOCKWORK)
        over_wado = settings.peers[0].model_copy(update={"images_by": "wado-rs"})
        self._exchanges = {
            "rad75": exchanges_of(settings, session, self._keeper, CLOCKWORK),
            "wado": exchanges_of(
                settings.model_copy(update={"peers": (over_wado,)}),
                session,
                self._keeper,
                CLOCKWORK,
            ),
        }
        self._signer = signer_of(settings.seal)

    async def take(self, way: str, instances: int) -> dict[str, Any]:
        """One transfer: bytes of instances, and seconds."""
        ways: dict[str, Callable[[int], Awaitable[float]]] = {
            "plain": self._plain,
            "rad75-discard": self._discard,
            "wado-discard": self._discard_wado,
            "rad75-intake": partial(self._intake, "rad75"),
            "wado-intake": partial(self._intake, "wado"),
        }
        seconds = await ways[way](instances)
        return {"way": way, "bytes": instances * bytes_of(), "seconds": seconds}

    async def _plain(self, instances: int) -> float:
        started = time.perf_counter()
        wanted = instances * bytes_of()
        url = f"{self._plain_url}?bytes={wanted}"
        async with self._session.get(url, timeout=TIMEOUT) as response:
            came = await _read(response)
        if came != wanted:
            raise RuntimeError(f"{came} bytes came instead of {wanted}")
        return time.perf_counter() - started

    async def _discard(self, instances: int) -> float:
        manifest = manifest_of(instances)
        started = time.perf_counter()
        content_type, body = self._request(manifest)
        headers = {"Content-Type": content_type, "Accept-Encoding": "identity"}
        url = self._settings.peers[0].url
        async with self._session.post(url, data=body, headers=headers, timeout=TIMEOUT) as response:
            came = await _read(response)
        if came < instances * bytes_of():
            raise RuntimeError(f"only {came} bytes came")
        return time.perf_counter() - started

    async def _discard_wado(self, instances: int) -> float:
        manifest = manifest_of(instances)
        started = time.perf_counter()
        token = attach_token(
            call_context(PROFILE),
            token_signer_of(self._settings.seal),
            now=CLOCKWORK.now(),
            new_id=CLOCKWORK.new_id,
            country="XB",
            audience=COUNTRY_A.urn,
            client_fingerprint=fingerprint_of(self._settings.tls),
            scope="RAD-107",
        )
        headers = {
            "Authorization": token,
            "Accept": accept_for(STORED_SYNTAXES),
            "Accept-Encoding": "identity",
        }
        came = 0
        for series in manifest.series:
            scope = ImageScope(study=manifest.study, series=series.uid)
            url = self._settings.peers[0].dicomweb_url + write_path(scope)
            async with self._session.get(url, headers=headers, timeout=TIMEOUT) as response:
                came += await _read(response)
        if came < instances * bytes_of():
            raise RuntimeError(f"only {came} bytes came")
        return time.perf_counter() - started

    def _request(self, manifest: ImagingManifest) -> tuple[str, bytes]:
        request = ImageRequest.of_manifest(manifest, COUNTRY_A, default_location=REPOSITORY)
        security = attach_context(
            call_context(PROFILE),
            self._signer,
            now=CLOCKWORK.now(),
            new_id=CLOCKWORK.new_id,
            country="XB",
        )
        root = write_envelope(
            xca_images.encode_request(request, STORED_SYNTAXES),
            action=xca_images.REQUEST_ACTION,
            message_id=f"urn:uuid:{CLOCKWORK.new_id()}",
            to=self._settings.peers[0].url,
            reply_to=ANONYMOUS,
            security=security,
        )
        boundary, root_id = CLOCKWORK.new_id(), "root@bench"
        content_type = mtom_content_type(
            boundary=boundary, root_id=root_id, action=xca_images.REQUEST_ACTION
        )
        return content_type, OutgoingBody(root, boundary=boundary, root_id=root_id).alone()

    async def _intake(self, wire: str, instances: int) -> float:
        shutil.rmtree(self._store, ignore_errors=True)
        async with _store(self._store) as kept:
            intake = self._intake_into(kept, manifest_of(instances), wire)
            started = time.perf_counter()
            await intake.run()
            seconds = time.perf_counter() - started
            progress = intake.progress
            if progress.state is not JobState.COMPLETE or progress.received != instances:
                raise RuntimeError(f"the intake ended as {progress.view()}")
        return seconds

    def _intake_into(self, kept: KeptStore, manifest: ImagingManifest, wire: str) -> ImageIntake:
        context = call_context(PROFILE)
        reading = DicomReading()
        return ImageIntake(
            initiator=Initiator(
                own=COUNTRY_B,
                exchanges=self._exchanges[wire],
                communities={
                    COUNTRY_A: Community(
                        id=COUNTRY_A,
                        relation=context.relation,
                        images_per_request={
                            "": IMAGES_PER_REQUEST if wire == "rad75" else IMAGES_PER_STUDY
                        },
                    )
                },
                kept=kept,
                reading=reading,
                now=CLOCKWORK.now,
            ),
            kept=kept,
            reading=reading,
            session=Session(
                id="visit",
                state=State.RETRIEVED,
                opened_at=CLOCKWORK.now(),
                professional=context.professional,
                authentication=context.authentication,
                purpose=context.purpose,
                community=COUNTRY_A,
                patient=IDENTITY,
            ),
            manifest=manifest,
            default_location=REPOSITORY,
            selection=ImageSelection(),
            wish=DeliveryWish(syntaxes=STORED_SYNTAXES),
            correlation_id=CLOCKWORK.new_id(),
            now=CLOCKWORK.now,
        )


@asynccontextmanager
async def _store(state: Path) -> AsyncIterator[KeptStore]:
    state.mkdir(parents=True)
    engine = make_engine(database_url(state))
    try:
        await create_tables(engine)
        kept = KeptStore(engine, BlobStore(state))
        await kept.open()
        yield kept
    finally:
        await engine.dispose()


async def _read(response: aiohttp.ClientResponse) -> int:
    if response.status != 200:
        raise RuntimeError(f"HTTP {response.status}: {(await response.read())[:500]!r}")
    came = 0
    async for data in response.content.iter_any():
        came += len(data)
    return came


async def _work(folder: Path, port: int, plain_port: int, store: Path) -> None:
    settings = settings_b(folder, port, profile=PROFILE)
    async with session_of(settings) as session:
        taker = Taker(settings, session, store, plain_port)
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            print(json.dumps(await taker.take(order["way"], order["instances"])), flush=True)


if __name__ == "__main__":
    import structlog

    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(_work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
