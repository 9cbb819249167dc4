"""A viewer of the other country, offered instead of the images themselves (guideline Art. 13).

The images stay where they are; what crosses the border is an address that a browser is sent to.
It shows rendered pictures, which are not diagnostic. IHE RAD IID, RAD-106.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ViewerLink:
    """Where a browser is shown a study.

    `expires` is until when it has to be opened, and it opens once; None is an address that a
    manifest names (Display URI), of which nothing of the kind is known.
    """

    url: str
    expires: datetime | None = None
