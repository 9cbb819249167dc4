"""The stories there are, by name: each a module with `tell(story)`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from scenarios import (
    uc1_cut_and_resume,
    uc1_emergency_deadline,
    uc1_equal_answers,
    uc1_filters,
    uc1_full_report,
    uc1_given_dicom,
    uc1_key_images_first,
    uc1_narrow_link,
    uc1_refusals,
    uc1_report_and_images,
    uc1_two_routes,
    uc1_versions,
)
from scenarios.story import Story

Tell = Callable[[Story], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story: its name, what it is about, and how it is told.

    `in_every_way` is whether it is told once for every way to ask that is wanted, or by the first.
    `link` is the profile of the line it is told over where nobody chose another, `image_link` that
    of a line for images alone; "" is none.
    """

    name: str
    about: str
    tell: Tell
    in_every_way: bool = False
    link: str = ""
    image_link: str = ""


_MODULES = (
    uc1_report_and_images,
    uc1_full_report,
    uc1_refusals,
    uc1_filters,
    uc1_equal_answers,
    uc1_versions,
    uc1_given_dicom,
    uc1_narrow_link,
    uc1_key_images_first,
    uc1_emergency_deadline,
    uc1_cut_and_resume,
    uc1_two_routes,
)

SCENARIOS: Mapping[str, Scenario] = {
    module.__name__.rpartition(".")[2]: Scenario(
        module.__name__.rpartition(".")[2],
        (module.__doc__ or "").partition("\n")[0],
        module.tell,
        in_every_way=getattr(module, "IN_EVERY_WAY", False),
        link=getattr(module, "LINK", ""),
        image_link=getattr(module, "IMAGE_LINK", ""),
    )
    for module in _MODULES
}
