"""The profile of a trust domain: what the settings file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.pki_profile import PkiError, TrustProfile, read_profile

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_built_in_profile_is_the_file_in_certs() -> None:
    """A folder without a settings file gives the domain that the file describes."""
    assert read_profile(REPOSITORY / "certs" / "trust.toml") == TrustProfile()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("leef_days = 3", "leef_days"),
        ("[roles.seal]\ncolour = 'red'", "roles.seal"),
        ("[broken]\ncolour = 'red'", "colour"),
        ("[broken.kinds.odd]\ncolour = 'red'", "broken.kinds.odd"),
        ("= 3", "readable"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, settings: str, named: str) -> None:
    """An unknown key is refused with its name and its place."""
    path = tmp_path / "trust.toml"
    path.write_text(settings)

    with pytest.raises(PkiError, match=named):
        read_profile(path)
