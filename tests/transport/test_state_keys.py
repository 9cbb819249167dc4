"""Keys of a gateway: lasting, private, each its own. More of it is told by `test_logical_ids`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.config import SettingsError
from gateway.transport.state_keys import KEY_BYTES, state_key


def test_a_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """The folder is made too."""
    path = tmp_path / "not" / "yet" / "x.key"

    keys = {state_key(path) for _ in range(3)}

    assert [len(key) for key in keys] == [KEY_BYTES]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["x.key"]


def test_two_files_hold_two_keys(tmp_path: Path) -> None:
    """Nothing is derived from anything."""
    assert state_key(tmp_path / "a.key") != state_key(tmp_path / "b.key")


def test_a_file_that_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    """It is not replaced: what was signed with it would be lost."""
    (tmp_path / "x.key").write_bytes(b"short")

    with pytest.raises(SettingsError, match=r"x\.key: found 5 bytes"):
        state_key(tmp_path / "x.key")
