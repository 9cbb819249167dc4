"""The viewer's links: a minute, once, and only of the study and the patient they were made for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from country_a.viewer_links import OPEN_WITHIN, SHOWN_FOR, ViewerLinks
from gateway.domain import NotFound, PatientId, Refusal, Uid
from gateway.wire.viewer_link import LinkRefused
from tests.builders import PATIENT
from tests.viewers import START, Clock, links_in

STUDY = Uid("2.999.1.5")
BASE = "https://viewer.example"


@pytest.fixture
def clock() -> Clock:
    """The time, which tests let pass."""
    return Clock(START + timedelta(microseconds=123))


@pytest.fixture
def links(tmp_path: Path, clock: Clock) -> ViewerLinks:
    """The links of a gateway."""
    return links_in(tmp_path, clock, lambda: BASE)


def made(links: ViewerLinks, *, key: bool = False, emergency: bool = False) -> str:
    """The secret of a fresh link."""
    link = links.to_open(STUDY, PATIENT, key_images_only=key, emergency=emergency)
    return link.url.rpartition("/")[2]


def refused(links: ViewerLinks, text: str) -> Refusal:
    """Why a link does not open."""
    with pytest.raises(LinkRefused) as caught:
        links.open(text)
    return caught.value.refusal


def test_a_link_leads_to_the_viewer_and_says_until_when(links: ViewerLinks) -> None:
    """At most a minute from now."""
    link = links.to_open(STUDY, PATIENT, key_images_only=False, emergency=False)

    assert link.url.startswith(f"{BASE}/view/")
    assert link.expires == START + OPEN_WITHIN
    assert str(STUDY) not in link.url
    assert PATIENT.value not in link.url


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize("emergency", [True, False])
def test_what_it_opens_is_of_the_same_study_and_patient(
    links: ViewerLinks, key: bool, emergency: bool
) -> None:
    """With the same limits, for some minutes."""
    claims = links.shown(links.open(made(links, key=key, emergency=emergency)))

    assert (claims.study, claims.key_images_only, claims.emergency) == (STUDY, key, emergency)
    assert claims.expires == START + SHOWN_FOR
    assert links.require(claims, PATIENT) == PATIENT


def test_a_link_opens_once(links: ViewerLinks, tmp_path: Path, clock: Clock) -> None:
    """After a restart too; another one of the same study is another link."""
    link, other = made(links), made(links)
    links.open(link)

    assert refused(links, link) is Refusal.ASSERTION_REUSED
    assert refused(links_in(tmp_path, clock, lambda: BASE), link) is Refusal.ASSERTION_REUSED
    assert links.open(other)


def test_a_link_opens_within_a_minute(links: ViewerLinks, clock: Clock) -> None:
    """And not a second later."""
    in_time, late = made(links), made(links)

    clock.pass_by(seconds=59)
    shown = links.open(in_time)
    clock.pass_by(seconds=1)

    assert refused(links, late) is Refusal.ASSERTION_NOT_VALID_NOW
    assert links.shown(shown)


def test_a_page_lasts_some_minutes(links: ViewerLinks, clock: Clock) -> None:
    """Then its pictures do not come any more."""
    shown = links.open(made(links))

    clock.pass_by(seconds=SHOWN_FOR.total_seconds() - 1)
    assert links.shown(shown)
    clock.pass_by(seconds=1)
    with pytest.raises(LinkRefused) as caught:
        links.shown(shown)

    assert caught.value.refusal is Refusal.ASSERTION_NOT_VALID_NOW


def test_one_kind_is_not_the_other(links: ViewerLinks) -> None:
    """A page's link opens no page, and a link that opens one shows no picture."""
    link = made(links)
    with pytest.raises(LinkRefused):
        links.shown(link)

    assert refused(links, links.open(link)) is Refusal.SIGNATURE_INVALID


def test_another_gateway_s_link_is_none(links: ViewerLinks, tmp_path: Path, clock: Clock) -> None:
    """It has another key."""
    other = links_in(tmp_path / "other", clock, lambda: BASE)

    assert refused(other, made(links)) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize("patient", [None, PatientId("A-0002", PATIENT.authority)])
def test_another_patient_is_not_shown(links: ViewerLinks, patient: PatientId | None) -> None:
    """A study that was given to somebody else in the meantime, or to nobody."""
    claims = links.shown(links.open(made(links)))

    with pytest.raises(NotFound):
        links.require(claims, patient)
