"""The stories there are, by name: each a module with `tell(story)`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from scenarios import (
    uc1_equal_answers,
    uc1_filters,
    uc1_full_report,
    uc1_given_dicom,
    uc1_refusals,
    uc1_report_and_images,
    uc1_versions,
)
from scenarios.story import Story

Tell = Callable[[Story], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story: its name, what it is about, and how it is told.

    `in_every_way` is whether it is told once for every way to ask that is wanted, or by the first.
    """

    name: str
    about: str
    tell: Tell
    in_every_way: bool = False


_MODULES = (
    uc1_report_and_images,
    uc1_full_report,
    uc1_refusals,
    uc1_filters,
    uc1_equal_answers,
    uc1_versions,
    uc1_given_dicom,
)

SCENARIOS: Mapping[str, Scenario] = {
    module.__name__.rpartition(".")[2]: Scenario(
        module.__name__.rpartition(".")[2],
        (module.__doc__ or "").partition("\n")[0],
        module.tell,
        getattr(module, "IN_EVERY_WAY", False),
    )
    for module in _MODULES
}
