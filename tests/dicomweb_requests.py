"""Raw DICOMweb requests for tests: right by default, so that a test breaks one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
from pydicom import Dataset, dcmread
from requests_toolbelt.multipart import decoder
from yarl import URL

from tests.fhir_requests import bearer
from tests.gateways import Pair

SCOPE = "RAD-107"


@dataclass(frozen=True, slots=True)
class GotImages:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def parts(self) -> list[decoder.BodyPart]:
        """The parts of the body, taken apart by another's reader."""
        return list(decoder.MultipartDecoder(self.body, self.headers["Content-Type"]).parts)

    @property
    def images(self) -> list[Dataset]:
        """The instances of the body, read by pydicom."""
        if self.headers["Content-Type"].startswith("application/dicom"):
            return [dcmread(BytesIO(self.body))]
        return [dcmread(BytesIO(part.content)) for part in self.parts]


async def fetch(
    pair: Pair,
    path: str,
    *,
    method: str = "GET",
    base: str = "/dicom-web",
    token: str | None = None,
    session: aiohttp.ClientSession | None = None,
    **headers: Any,
) -> GotImages:
    """Send a request; `token` is a flawless one by default, "" for none."""
    shown = bearer(pair, scope=SCOPE) if token is None else token
    # What comes packed is for who asks so: aiohttp would, by itself.
    sent = {"Accept-Encoding": "identity"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    url = URL(f"{URL(pair.url).origin()}{base}{path}", encoded=True)
    async with (session or pair.session).request(
        method, url, headers=sent | ({"Authorization": shown} if shown else {})
    ) as response:
        try:
            return GotImages(response.status, response.headers, await response.read())
        except aiohttp.ClientPayloadError:
            return GotImages(response.status, response.headers, b"", whole=False)
