"""Lines with a name, and lines in a few plain letters: `8mbit/80ms`.

The plain form is rate, round trip, jitter, with slashes between; what stands at the end may be
left out. Rate and jitter are those of both directions alike, the round trip and the jitter are
split evenly over both. `unlimited` is a rate as well. Rates are decimal, as lines are sold:
1 mbit is 1,000,000 bits a second.

The values of the named profiles are chosen by us, not measured: each says what it stands for and
why it has these. Whoever knows a line better writes its values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.link.model import UNSHAPED, LaneShape, LinkShape, ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A line by its name, which `parse_profile` understands; `about` is for people."""

    name: str
    shape: LinkShape
    about: str = ""


def _lane(mbit: float, latency_ms: float, jitter_ms: float = 0.0) -> LaneShape:
    return LaneShape(
        bits_per_second=mbit * 1e6,
        latency_seconds=latency_ms / 1e3,
        jitter_seconds=jitter_ms / 1e3,
    )


def testa() -> LinkShape:
    """A contact point's share of the private network between administrations.

    Such networks (sTESTA, TESTA-ng) sell a national access of a few to some dozen Mbit/s that all
    services share; 8 Mbit/s is what one exchange may hope for. 35 ms one way is two thousand
    kilometres of fibre (5 microseconds each) as it is laid, encryption boxes and routers.
    """
    return LinkShape(up=_lane(8, 35, 2), down=_lane(8, 35, 2))


def hospital_uplink() -> LinkShape:
    """A hospital that sends its images over a business line made for receiving.

    Cable and VDSL accesses send a fifth to a tenth of what they receive: requests reach the
    hospital at 100 Mbit/s, its images leave at 20.
    """
    return LinkShape(up=_lane(100, 12, 2), down=_lane(20, 12, 2))


def mobile() -> LinkShape:
    """A doctor who reads over a 4G phone: asymmetric, with jitter.

    30 Mbit/s down and 8 up are an ordinary cell with others in it; the scheduler of LTE grants
    sending in turns of milliseconds and repeats what was lost on the air, which is the jitter.
    """
    return LinkShape(up=_lane(8, 30, 12), down=_lane(30, 25, 10))


def satellite() -> LinkShape:
    """A ship or an island over a geostationary satellite.

    35,786 km up and down, there and back, take 480 ms at the speed of light; coding and
    turn-taking make it 600.
    """
    return LinkShape(up=_lane(4, 300, 10), down=_lane(20, 300, 10))


def _named(name: str, shape: LinkShape, about: str) -> tuple[str, Profile]:
    return name, Profile(name=name, shape=shape, about=about)


PROFILES: Mapping[str, Profile] = dict(
    [
        _named("unshaped", UNSHAPED, "as fast as this machine"),
        _named("testa", testa(), "a share of the network between administrations"),
        _named("hospital-uplink", hospital_uplink(), "images leave over a line made to receive"),
        _named("4g", mobile(), "a doctor's phone in an ordinary cell"),
        _named("satellite", satellite(), "an island or a ship, geostationary"),
    ]
)

_RATE = re.compile(r"(\d+(?:\.\d+)?)(bit|kbit|mbit|gbit)")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_BITS = {"gbit": 1e9, "mbit": 1e6, "kbit": 1e3, "bit": 1.0}
_SECONDS = {"ms": 1e-3, "s": 1.0}
_UNLIMITED = "unlimited"
_MAX_TEXT = 80  # longer than any profile; a number of a thousand digits is not read


def parse_profile(text: str) -> Profile:
    """A profile by its name or in the plain form; `ShapeError` says what is expected."""
    plain = text.strip().lower()
    if found := PROFILES.get(plain):
        return found
    parts = plain.split("/") if len(plain) <= _MAX_TEXT else []
    if not 1 <= len(parts) <= 3:
        raise _not_a_profile(text)
    rate = None if parts[0] == _UNLIMITED else _number(_RATE, _BITS, parts[0], text)
    times = [_number(_TIME, _SECONDS, part, text) for part in parts[1:]]
    trip, jitter = (*times, 0.0, 0.0)[:2]
    try:
        lane = LaneShape(bits_per_second=rate, latency_seconds=trip / 2, jitter_seconds=jitter / 2)
    except ShapeError as error:
        raise ShapeError(f"{text!r}, in each direction: {error}") from None
    shape = LinkShape(up=lane, down=lane)
    return Profile(name=plain_form(shape), shape=shape)


def plain_form(shape: LinkShape) -> str:
    """A shape as `parse_profile` reads it; "" where it is more than that form can say."""
    lane = shape.up
    if shape.down != lane or shape.schedule or lane.cut_after_bytes is not None:
        return ""
    parts = [_rate_text(lane.bits_per_second)]
    if lane.latency_seconds:
        parts.append(_time_text(2 * lane.latency_seconds))
    if lane.jitter_seconds:
        parts.append(_time_text(2 * lane.jitter_seconds))
    return "/".join(parts)


def in_words(lane: LaneShape) -> str:
    """One direction for people: `8mbit, 35ms ± 2ms one way`."""
    words = _rate_text(lane.bits_per_second)
    if lane.latency_seconds:
        words += f", {_time_text(lane.latency_seconds)}"
        if lane.jitter_seconds:
            words += f" ± {_time_text(lane.jitter_seconds)}"
        words += " one way"
    return words


def _rate_text(rate: float | None) -> str:
    if rate is None:
        return _UNLIMITED
    unit = next(unit for unit, bits in _BITS.items() if rate >= bits)
    return f"{_digits(rate / _BITS[unit])}{unit}"


def _time_text(seconds: float) -> str:
    return f"{_digits(seconds / _SECONDS['ms'])}ms"


def _digits(number: float) -> str:
    # Never with an exponent, which the plain form does not have.
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _number(form: re.Pattern[str], units: Mapping[str, float], part: str, text: str) -> float:
    found = form.fullmatch(part)
    if found is None:
        raise _not_a_profile(text)
    return float(found[1]) * units[found[2]]


def _not_a_profile(text: str) -> ShapeError:
    return ShapeError(
        f"found {text[:_MAX_TEXT]!r}, expected a name ({', '.join(PROFILES)}) or rate/round "
        "trip/jitter, such as 8mbit/80ms, 512kbit, 10mbit/80ms/20ms or unlimited/600ms"
    )
