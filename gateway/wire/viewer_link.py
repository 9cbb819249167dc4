"""Links that open a viewer: signed, so that none can be guessed or altered.

A link says what may be looked at and until when, and nothing of who: the patient stands in it as
a digest that only the holder of the key can make. There are two kinds. One opens the viewer and is
meant to be used once; that it is, is its opener's business. The other is what an opened page shows
its pictures by. One kind is never taken for the other.

It is a bearer secret in a URL, which a browser's history and a proxy's log keep: so it is short
lived, and no access token ever stands in one. IHE RAD IID leaves open how a browser is let in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from gateway.domain import InvalidIdentifier, NotAllowed, PatientId, Refusal, Uid
from gateway.wire.problems import EncodeError

MAX_LINK: Final = 512  # a study UID has at most 64 characters; ours have some 250

_PURPOSE: Final = b"viewer link 1\0"  # the same key signs nothing else under this name
_PATIENT: Final = b"viewer patient 1\0"
_SIGNATURE_BYTES: Final = 32
_PATIENT_BYTES: Final = 16
_LINK: Final = re.compile(r"[A-Za-z0-9_-]{16,}")
_NONCE: Final = re.compile(r"[A-Za-z0-9-]{16,64}")


class LinkKind(StrEnum):
    """What a link is good for."""

    OPEN = "open"
    SHOW = "show"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkClaims:
    """What a link lets its holder look at, and until when.

    `patient` is the digest `patient_mark` gives of whose study it is; `nonce` is the link's own
    name, by which a second use is known. `emergency` is the purpose under which it was given.
    """

    kind: LinkKind
    study: Uid
    patient: str
    expires: datetime
    nonce: str
    key_images_only: bool = False
    emergency: bool = False


class LinkRefused(NotAllowed):
    """A link that opens nothing; `claims` are those of one that is genuine and too old."""

    def __init__(self, refusal: Refusal, text: str, claims: LinkClaims | None = None) -> None:
        super().__init__(refusal, text)
        self.claims = claims


def patient_mark(patient: PatientId, key: bytes) -> str:
    """A digest that stands for a patient and tells nothing of the identifier without the key."""
    text = f"{patient.authority}|{patient.value}".encode()
    return hmac.new(key, _PATIENT + text, hashlib.sha256).digest()[:_PATIENT_BYTES].hex()


def write_link(claims: LinkClaims, key: bytes) -> str:
    """The claims, signed, as one segment of a URL's path."""
    if not _NONCE.fullmatch(claims.nonce):
        raise EncodeError("the nonce of a link has 16 to 64 letters, digits and hyphens")
    flags = ("k" if claims.key_images_only else "") + ("e" if claims.emergency else "")
    body = " ".join(
        (
            claims.kind,
            str(int(claims.expires.timestamp())),
            claims.nonce,
            claims.patient,
            claims.study,
            flags or "-",
        )
    ).encode("ascii")
    return urlsafe_b64encode(_signature(body, key) + body).rstrip(b"=").decode("ascii")


def read_link(text: str, key: bytes, kind: LinkKind, now: datetime) -> LinkClaims:
    """The claims of a genuine link of a kind that is in force.

    Raises `LinkRefused`: SIGNATURE_INVALID for what we never made, or made for another use, and
    ASSERTION_NOT_VALID_NOW for what is too old.
    """
    claims = _claims(text, key)
    if claims is None or claims.kind is not kind:
        raise LinkRefused(Refusal.SIGNATURE_INVALID, "this link is not one of ours")
    if now >= claims.expires:
        text = f"this link had to be used before {claims.expires:%H:%M:%S} UTC"
        raise LinkRefused(Refusal.ASSERTION_NOT_VALID_NOW, text, claims)
    return claims


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + body, hashlib.sha256).digest()


def _claims(text: str, key: bytes) -> LinkClaims | None:
    """What is signed, None where nothing is or not by us."""
    if len(text) > MAX_LINK or not _LINK.fullmatch(text):
        return None
    try:
        whole = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    if urlsafe_b64encode(whole).rstrip(b"=").decode("ascii") != text:
        return None  # bits beyond the last byte: the same link in another spelling
    signature, body = whole[:_SIGNATURE_BYTES], whole[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, key)):
        return None
    # From here on it is our own writing.
    try:
        kind, expires, nonce, patient, study, flags = body.decode("ascii").split(" ")
        return LinkClaims(
            kind=LinkKind(kind),
            study=Uid(study),
            patient=patient,
            expires=datetime.fromtimestamp(int(expires), UTC),
            nonce=nonce,
            key_images_only="k" in flags,
            emergency="e" in flags,
        )
    except (ValueError, InvalidIdentifier, OverflowError):
        return None
