"""Settings are read once, and what is wrong with them is said all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import SettingsError, load_settings, missing_files


def _write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_community_is_all_a_gateway_must_say(tmp_path: Path) -> None:
    """Every other key has a harmless default: loopback, a free port, a folder beside the file."""
    settings = load_settings(_write(tmp_path, '[gateway]\ncommunity = "urn:oid:2.999.1"\n'))
    assert settings.gateway.community == "2.999.1"
    assert settings.listen.host == settings.listen.control_host == "127.0.0.1"
    assert settings.gateway.state == tmp_path / "state"


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    """A settings folder can be moved."""
    text = """
[gateway]
community = "2.999.1"
state = "data"
[tls]
trust = "certs/ca.pem"
[seal]
pinned = ["a.pem", "/b.pem"]
[[peers]]
name = "other"
community = "2.999.2"
profile = "odd.toml"
"""
    settings = load_settings(_write(tmp_path, text))
    assert settings.gateway.state == tmp_path / "data"
    assert settings.tls.trust == tmp_path / "certs/ca.pem"
    assert settings.seal.pinned == (tmp_path / "a.pem", Path("/b.pem"))
    assert settings.peers[0].profile == str(tmp_path / "odd.toml")


def test_every_wrong_key_is_named_with_its_reason(tmp_path: Path) -> None:
    """One run of the program shows all that is to be mended."""
    text = '[gateway]\ncommunity = "A"\ncolour = 1\n[listen]\nport = "many"\n[nowhere]\n'
    with pytest.raises(SettingsError) as caught:
        load_settings(_write(tmp_path, text))
    for part in ("settings.toml", "gateway.community", "gateway.colour", "listen.port", "nowhere"):
        assert part in str(caught.value)


def test_a_file_that_is_not_there_or_not_toml_is_an_error(tmp_path: Path) -> None:
    """Named, with what the system said."""
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(_write(tmp_path, "[gateway"))


def test_the_environment_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`NCPEH_SECTION__KEY`, for containers."""
    monkeypatch.setenv("NCPEH_LISTEN__PORT", "8443")
    settings = load_settings(_write(tmp_path, '[gateway]\ncommunity = "2.999.1"\n'))
    assert settings.listen.port == 8443


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gateway = 3", "gateway"),
        ('[gateway]\ncommunity = "2.999.1"\nstate = 3', "gateway.state"),
        ("[seal]\npinned = [3]", "seal.pinned"),
        ("peers = 3", "peers"),
        ("[listen]\nport = 65536", "listen.port"),
        ('[[peers]]\nurl = "htps://a.example/x"', "peers.0.url"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_key(tmp_path: Path, text: str, key: str) -> None:
    """Whatever stands there."""
    with pytest.raises(SettingsError, match=rf"[ ;]{key.replace('.', '[.]')}"):
        load_settings(_write(tmp_path, text + "\n"))


def test_files_that_are_not_there_are_listed(tmp_path: Path) -> None:
    """By their keys, with the command that makes them; those that are there are not."""
    (tmp_path / "here.pem").touch()
    text = '[gateway]\ncommunity = "2.999.1"\n[tls]\ntrust = "here.pem"\ncrl = "../gone.pem"\n'
    settings = load_settings(_write(tmp_path, text + '[seal]\npinned = ["a.pem"]\n'))

    lines = list(missing_files(settings))

    assert [line.partition(":")[0] for line in lines] == ["tls.crl", "seal.pinned"]
    assert str(tmp_path.parent / "gone.pem") in lines[0]


@pytest.mark.parametrize("forms", ["[]", '["kos", "kos"]', '["pdf"]'])
def test_manifests_have_one_form_or_two_that_differ(tmp_path: Path, forms: str) -> None:
    """Anything else is refused by its key."""
    text = f'[gateway]\ncommunity = "2.999.1"\n[national]\nmanifest_forms = {forms}\n'

    with pytest.raises(SettingsError, match=r"national\.manifest_forms"):
        load_settings(_write(tmp_path, text))
