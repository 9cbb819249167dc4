"""Candidates and the words for what is none; the table of plans proves them with figures."""

from __future__ import annotations

from gateway.compression.choices import OFFERED, lossless_choice, lossy_samples, name_of
from gateway.domain.delivery import Decoding, DeliveryWish, ReadingPurpose, SyntaxChoice
from tests.compression.plan_studies import SYNTAXES, coding, study

ALL = tuple(SYNTAXES[name] for name in ("80", "202", "201", "90", "110", "ele"))


def test_every_coding_is_a_candidate_or_has_a_reason() -> None:
    for name in ("ct", "us", "xa", "seg", "sr"):
        for decoding in Decoding:
            wish = DeliveryWish(syntaxes=ALL, choice=SyntaxChoice.SENDER, decoding=decoding)
            choice = lossless_choice(study(name)[0], wish)
            rejected = dict(choice.rejected)
            assert {*choice.candidates, *rejected} == set(OFFERED)
            assert all(rejected.values())


def test_candidates_stand_in_the_requesters_order() -> None:
    wish = DeliveryWish(syntaxes=ALL, choice=SyntaxChoice.SENDER)
    found = lossless_choice(study("ct")[0], wish).candidates
    assert [each.syntax for each in found] == [ALL[0], ALL[1], ALL[3], ALL[5]]


def test_losses_are_sampled_with_consent_only() -> None:
    syntaxes = (SYNTAXES["81"], SYNTAXES["203"])
    facts = study("ct")[0]
    silent = DeliveryWish(
        syntaxes=syntaxes, choice=SyntaxChoice.SENDER, purpose=ReadingPurpose.REVIEW
    )
    assert list(lossy_samples(facts, silent)) == []
    agreed = DeliveryWish(
        syntaxes=syntaxes,
        choice=SyntaxChoice.SENDER,
        purpose=ReadingPurpose.REVIEW,
        lossy_consent=True,
    )
    assert all(each.is_lossy for each in lossy_samples(facts, agreed))
    assert {each.near for each in lossy_samples(study("us")[0], agreed)} == {0}


def test_names_say_what_steers_the_coder() -> None:
    assert name_of(coding("110e7")) == "JPEG XL (effort 7)"
    assert name_of(coding("81n2")) == "JPEG-LS near-lossless (error at most 2)"
