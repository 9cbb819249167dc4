"""Class codes are those a peer is used to; inside they are ours."""

from __future__ import annotations

import pytest

from gateway.domain import BadRequest, Code, Outcome, Refusal, Severity
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    EHDSI_IMAGES,
    EHDSI_REPORTS,
    LOINC,
)
from gateway.middleware.dialect import Dialect, InDialect
from gateway.peers import load_profile
from tests.builders import make_context, make_entry, make_query
from tests.exchanges import ScriptedExchange


def _dialect(name: str) -> Dialect:
    profile = load_profile(name)
    return Dialect(
        class_codes=profile.class_codes,
        refuse_unknown=profile.refuse_unknown_class,
        warn_when_empty=profile.warn_when_empty,
    )


async def test_an_ehdsi_peer_asks_and_is_answered_in_its_own_class_codes() -> None:
    """18748-4 means reports there, and REPORTS inside."""
    inner = ScriptedExchange(entries=Outcome((make_entry(),)))
    exchange = InDialect(inner, _dialect("ehdsi"))
    query = make_query(class_codes=(EHDSI_REPORTS, EHDSI_IMAGES))
    outcome = await exchange.find_documents(query, make_context())
    assert inner.asked[0][1].class_codes == (CLASS_REPORTS, CLASS_IMAGES)
    assert outcome.items[0].class_code == EHDSI_IMAGES


async def test_an_ihe_peer_sees_the_codes_as_they_are() -> None:
    """Nothing to translate."""
    inner = ScriptedExchange(entries=Outcome((make_entry(),)), looked_up=Outcome((make_entry(),)))
    exchange = InDialect(inner, _dialect("ihe"))
    found = await exchange.find_documents(make_query(), make_context())
    assert found.items == (make_entry(),)
    unknown = make_query(class_codes=(Code("57833-6", LOINC),))
    assert await exchange.find_documents(unknown, make_context())


async def test_an_ehdsi_class_we_do_not_offer_is_refused_by_name() -> None:
    """A prescription is not imaging data."""
    exchange = InDialect(ScriptedExchange(), _dialect("ehdsi"))
    query = make_query(class_codes=(Code("57833-6", LOINC),))
    with pytest.raises(BadRequest, match="57833-6") as caught:
        await exchange.find_documents(query, make_context())
    assert caught.value.refusal is Refusal.UNKNOWN_DOCUMENT_CLASS


async def test_an_empty_list_is_a_success_with_a_warning_for_ehdsi_peers_alone() -> None:
    """Code 1104 there, silence elsewhere."""
    for name, expected in (("ehdsi", [Severity.WARNING]), ("ihe", [])):
        exchange = InDialect(ScriptedExchange(), _dialect(name))
        outcome = await exchange.find_documents(make_query(), make_context())
        assert [issue.severity for issue in outcome.issues] == expected
