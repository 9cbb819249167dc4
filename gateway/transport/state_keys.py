"""Keys that never leave the gateway: made at the first need, kept in its state folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway.config import SettingsError

KEY_BYTES = 32


def state_key(path: Path) -> bytes:
    """The key in a file, which is made where there is none; `SettingsError` for what is no key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(fresh, path)  # of two that start at once, one makes it and the other finds it
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path}: found {len(key)} bytes, expected {KEY_BYTES}; remove it")
    return key
