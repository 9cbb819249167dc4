"""The national systems are opened where they are told to be, and can be emptied."""

from __future__ import annotations

from pathlib import Path

from country_a.national.ports import ConsentRule
from country_a.national.sql import open_systems
from gateway.domain import DocumentId, DocumentLookup
from tests.builders import make_entry


async def test_systems_open_where_told_and_forget_when_cleared(tmp_path: Path) -> None:
    """A second opening finds what the first wrote; clearing forgets entries and documents."""
    entry, images = make_entry(), tmp_path / "elsewhere" / "images"
    lookup = DocumentLookup(community=entry.ref.community, entry_ids=(entry.id,))
    document = DocumentId("2.999.3")
    first = await open_systems(tmp_path / "state", image_folder=images)
    await first.systems.registry.add([entry])
    await first.systems.repository.put(document, b"x")
    await first.systems.consent.set_rule(entry.patient, ConsentRule.DENY)
    await first.close()

    second = await open_systems(tmp_path / "state", image_folder=images)
    systems = second.systems
    for system in (systems.patients, systems.registry, systems.repository, systems.pacs):
        await system.ping()
    await systems.consent.ping()
    before = (await systems.registry.look_up(lookup)).entries
    await second.clear()

    assert images.is_dir()
    assert before == (entry,)
    assert (await systems.registry.look_up(lookup)).entries == ()
    assert await systems.repository.get(document) is None
    assert await systems.consent.rule(entry.patient) is ConsentRule.ALLOW
    await second.close()
