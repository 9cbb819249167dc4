"""Golden files: our own messages, committed and reviewed, that encoders must make byte for byte.

`UPDATE_GOLDEN=1 pytest …` writes them anew; the difference is then read before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

UPDATE = "UPDATE_GOLDEN"


def check_golden(path: Path, data: bytes) -> None:
    """Assert that the data are those of the golden file, or write it when asked to."""
    if os.environ.get(UPDATE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return
    assert path.exists(), f"{path.name} does not exist; {UPDATE}=1 writes it"
    assert data == path.read_bytes(), f"{path.name} differs; {UPDATE}=1 writes it anew"


def readable(xml: bytes) -> bytes:
    """XML of one line as one tag a line, for golden files: nothing but line ends is added."""
    return xml.replace(b"><", b">\n<") + b"\n"
