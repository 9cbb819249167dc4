"""The links of Country A's viewer: how long they last, and what stays theirs when they are used.

A link that opens the viewer lives a minute and is good for once; what it opens is a page under a
link of its own, which its pictures come by, for some minutes. Both are of one study of one patient.
A link lasts as long as it says whatever happens to the service: nothing of it is kept but the key,
and that a link has been used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hmac import compare_digest

from gateway.domain import NotAllowed, NotFound, PatientId, Refusal, Uid, ViewerLink
from gateway.transport.assertion_log import AssertionLog
from gateway.wire.viewer_link import (
    LinkClaims,
    LinkKind,
    LinkRefused,
    patient_mark,
    read_link,
    write_link,
)

KEY_FILE = "viewer-links.key"
LOG_FILE = "viewer-links.log"
OPEN_WITHIN = timedelta(seconds=60)
# Long enough to look a study through; a page that is needed longer is opened again.
SHOWN_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerLinks:
    """Makes links and reads them. `base` gives the address browsers call the viewer by.

    `used` remembers which links have been opened, across restarts.
    """

    key: bytes
    used: AssertionLog
    base: Callable[[], str]
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def to_open(
        self, study: Uid, patient: PatientId, *, key_images_only: bool, emergency: bool
    ) -> ViewerLink:
        """A fresh link that opens a study; `patient` is whose it is as the image store says."""
        # Whole seconds: what is told is what is signed.
        expires = (self.now() + OPEN_WITHIN).replace(microsecond=0)
        claims = LinkClaims(
            kind=LinkKind.OPEN,
            study=study,
            patient=patient_mark(patient, self.key),
            expires=expires,
            nonce=self.new_id(),
            key_images_only=key_images_only,
            emergency=emergency,
        )
        return ViewerLink(f"{self.base()}/view/{write_link(claims, self.key)}", expires)

    def open(self, text: str) -> str:
        """Use a link, once; the link of the page it opens. Raises `LinkRefused`."""
        now = self.now()
        claims = read_link(text, self.key, LinkKind.OPEN, now)
        try:
            self.used.accept(
                claims.nonce,
                fingerprint="",
                subject="",
                expires=claims.expires,
                single_use=True,
                now=now,
            )
        except NotAllowed as error:
            raise LinkRefused(error.refusal, "this link has been used", claims) from error
        expires = (now + SHOWN_FOR).replace(microsecond=0)
        shown = replace(claims, kind=LinkKind.SHOW, expires=expires, nonce=self.new_id())
        return write_link(shown, self.key)

    def shown(self, text: str) -> LinkClaims:
        """What a page under this link may show, now. Raises `LinkRefused`."""
        return read_link(text, self.key, LinkKind.SHOW, self.now())

    def require(self, claims: LinkClaims, patient: PatientId | None) -> PatientId:
        """The patient, if it is the one the link was made for; else `NotFound`."""
        if patient is None or not compare_digest(claims.patient, patient_mark(patient, self.key)):
            raise NotFound(Refusal.UNKNOWN_INSTANCE, "this is not of the patient of the link")
        return patient
