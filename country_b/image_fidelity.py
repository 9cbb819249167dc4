"""At the end of an image job: the certificate of what was sent, checked against what is kept.

The certificate is asked for by the id of the job, which every request of it named as that of the
delivery. It must be sealed by the community that was asked, for this delivery and this study. An
image that departs from it is set aside with the reason, as one that failed its checks on arrival
is; where there is no certificate, nothing is worse for it than that nobody vouches for it. Says
how far what came is from what is stored over there, and nothing of fitness for diagnosis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from country_b.fidelity_checks import departure, series_view
from country_b.image_progress import JobState, Progress
from country_b.kept import KeptInstance, KeptStore
from country_b.kept_certificates import KeptCertificates
from gateway.domain import (
    CallContext,
    CommunityId,
    DeliveryCertifier,
    ExchangeError,
    FidelityCertificate,
    InstanceFidelity,
    Issue,
    Refusal,
    Uid,
)
from gateway.domain.fidelity import NOT_FITNESS
from gateway.wire.fidelity import SealedFidelity, open_certificate
from gateway.wire.problems import DecodeError
from gateway.wire.signatures import SignatureProblem
from gateway.wire.trust import TrustStore

# Jobs that ended so may have left something to certify.
_TO_CHECK = frozenset({JobState.COMPLETE, JobState.INCOMPLETE})


class Verdict(StrEnum):
    """What a certificate and the images make of each other."""

    VERIFIED = "verified"  # every image that came is as its certificate says
    DIFFERS = "differs"  # at least one is not
    NOT_CERTIFIED = "not-certified"  # for the reason told, nobody vouches for all that came


class _NotCertified(Exception):
    """Why there is no certificate that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Whose seal counts: the community that is asked, the country its seal must be of."""

    community: CommunityId
    country: str
    trust: TrustStore


class FidelityCheck:
    """The check of one job; `begin` it before the job and `run` it after.

    `delivery` is the id under which the job's images go out.
    """

    def __init__(
        self,
        *,
        certifier: DeliveryCertifier,
        context: CallContext,
        sealing: Sealing,
        kept: KeptStore,
        certificates: KeptCertificates,
        session: str,
        job: str,
        study: Uid,
        delivery: str,
        lossy_consent: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._certifier = certifier
        self._context = context
        self._sealing = sealing
        self._kept = kept
        self._certificates = certificates
        self._session = session
        self._job = job
        self._study = study
        self._delivery = delivery
        self._lossy_consent = lossy_consent
        self._now = now
        self._before: Mapping[Uid, KeptInstance] = {}

    async def begin(self) -> None:
        """Note what is here before the job: that came by another delivery."""
        held = await self._kept.instances(self._session, self._study)
        self._before = {one.ref.instance: one for one in held}

    async def run(self, progress: Progress) -> None:
        """Check what a job brought; the result is in its progress, and in what is kept."""
        if progress.state not in _TO_CHECK or not progress.received:
            return
        # Stays, where this ends by being cancelled or by a fault.
        progress.fidelity = _view(Verdict.NOT_CERTIFIED, "the check was broken off", self._delivery)
        try:
            sealed = await self._sealed()
        except _NotCertified as error:
            progress.fidelity = _view(Verdict.NOT_CERTIFIED, str(error), self._delivery)
            return
        progress.fidelity = await self._checked(sealed.certificate, progress)

    async def _sealed(self) -> SealedFidelity:
        """The certificate of the delivery, of whom it must be; kept as it came."""
        if not self._sealing.country:
            text = "no country is named in the settings of the community asked, whose seal to know"
            raise _NotCertified(text)
        try:
            body = await self._certifier.certify_images(self._delivery, self._study, self._context)
        except ExchangeError as error:
            raise _NotCertified(
                f"no certificate was had ({error.refusal.value}): {error.text}"
            ) from error
        try:
            sealed = await asyncio.to_thread(
                open_certificate, body, self._sealing.trust, now=self._now()
            )
        except SignatureProblem as error:
            raise _NotCertified(f"its seal does not hold: {error.text}") from error
        except DecodeError as error:
            raise _NotCertified(f"the certificate cannot be read: {error}") from error
        certificate = sealed.certificate
        named = (
            certificate.community,
            sealed.country,
            certificate.delivery,
            self._study_of(certificate),
        )
        asked = (self._sealing.community, self._sealing.country, self._delivery, self._study)
        if named != asked:
            shown = "community {}, sealed in {!r}, delivery {}, study {}"
            text = f"it is of {shown.format(*named)}; asked for was {shown.format(*asked)}"
            raise _NotCertified(text)
        await self._certificates.add(self._session, self._job, body)
        return sealed

    def _study_of(self, certificate: FidelityCertificate) -> Uid:
        return certificate.series[0].instances[0].ref.study

    async def _checked(
        self, certificate: FidelityCertificate, progress: Progress
    ) -> dict[str, Any]:
        """Every image that came with the job, held against what is said of it."""
        came = {
            one.ref.instance: one
            for one in await self._kept.instances(self._session, self._study)
            if not one.problem and self._before.get(one.ref.instance) != one
        }
        problems: list[KeptInstance] = []
        series: list[dict[str, Any]] = []
        for each in certificate.series:
            checked: list[InstanceFidelity] = []
            for said in each.instances:
                kept = came.pop(said.ref.instance, None)
                if kept is None:  # it went out and did not come, or is here from before
                    continue
                why = await asyncio.to_thread(
                    departure,
                    said,
                    kept,
                    self._kept.blobs.path_of(kept.sha256),
                    cap=each.cap,
                    lossy_consent=self._lossy_consent,
                )
                if not why and said.ref != kept.ref:
                    why = "its certificate has it in another series"
                if why:
                    problems.append(replace(kept, problem=why))
                else:
                    checked.append(said)
            if checked:
                series.append(series_view(each, checked))
        if problems:
            await self._set_aside(problems, progress)
        verdict, reason = Verdict.VERIFIED, ""
        if problems:
            verdict = Verdict.DIFFERS
            reason = (
                f"{len(problems)} images are not as certified; the first: {problems[0].problem}"
            )
        elif came:
            verdict = Verdict.NOT_CERTIFIED
            reason = f"{len(came)} of {progress.received} images that came are in no certificate"
        return _view(
            verdict, reason, self._delivery, sealed_by=self._sealing.country, series=series
        )

    async def _set_aside(self, problems: list[KeptInstance], progress: Progress) -> None:
        """Images that depart are kept as what must not be shown, and count as missing."""
        await self._kept.add_instances(self._session, problems)
        for one in problems:
            name = str(one.ref.instance)
            progress.missing[name] = Issue(
                refusal=Refusal.INTEGRITY_FAILED, text=one.problem, subject=name
            )
        progress.received -= len(problems)
        some = progress.received or progress.already_kept
        progress.state = JobState.INCOMPLETE if some else JobState.FAILED


def _view(
    verdict: Verdict,
    reason: str,
    delivery: str,
    *,
    sealed_by: str = "",
    series: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The result as the API shows it."""
    return {
        "verdict": verdict.value,
        "reason": reason,
        "statement": NOT_FITNESS,
        "delivery": delivery,
        "sealed_by": sealed_by,
        "series": series or [],
    }
