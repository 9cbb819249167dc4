"""A plan for a stated need: which instance comes how, when, and why. Pure arithmetic on facts.

Without loss first: of the ways to share link and processors the soonest (`lossless.py`). Only
where that misses a deadline or a number of bytes is anything lost or deferred (`budget.py`).
Pixels are not touched here, and nothing is asked of clock or dice: the same facts give the same
plan. Guideline: Article 13 (support text), Article 15; docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.compression.budget import Sent, cap_of, fitting, with_loss
from gateway.compression.choices import lossless_choice, lossy_samples, lossy_syntaxes
from gateway.compression.estimate import SAMPLED_EFFORT
from gateway.compression.facts import SeriesFacts, SeriesSample
from gateway.compression.lossless import Delivery, Limits, segments_of, soonest
from gateway.compression.plan_reasons import SeriesReasons, plan_notes
from gateway.compression.policy import DEFAULT_POLICY, Policy
from gateway.compression.speeds import PLAIN, Sender
from gateway.compression.timeline import Pipeline, Run, total_seconds
from gateway.compression.ways import Option, SeriesMenu, untouchable
from gateway.domain.delivery import DeliveryWish, LinkProfile
from gateway.domain.delivery_plan import (
    Coding,
    DeliveryAction,
    DeliveryPlan,
    PlannedInstance,
    PlannedSeries,
)
from gateway.domain.ids import Uid

DerivedUid = Callable[[Uid, Coding], Uid]
"""(SOP Instance UID, lossy coding) → the UID of the derived instance, always the same."""


def codings_to_sample(
    series: SeriesFacts, wish: DeliveryWish, *, lossy: bool
) -> tuple[Coding, ...]:
    """What a few frames of a series are to be encoded in, before it is planned.

    Grey: HTJ2K, to which the others have known factors, and fast JPEG XL, to which the slow one has
    one; colour: every candidate, for there those
    factors are from 0.4 to 5. `lossy` adds what a plan interpolates between. Nothing where the
    answer does not depend on sizes.
    """
    pixels = [one.pixels for one in series.instances if one.pixels and not untouchable(one)]
    candidates = [c for c in lossless_choice(series, wish).candidates if c.syntax not in PLAIN]
    found: list[Coding] = []
    if pixels and wish.may_choose and candidates:
        if any(one.samples > 1 for one in pixels):
            found += candidates
        else:
            ht = [c for c in candidates if c.syntax.endswith((".201", ".202"))]
            found += ht[:1] or [Coding(syntax=Uid("1.2.840.10008.1.2.4.202"))]
            # Smooth images are where JPEG XL shines, by a sixth more than its factor tells.
            found += [c for c in candidates if c.effort == SAMPLED_EFFORT]
    if lossy and pixels:
        found += lossy_samples(series, wish)
    return tuple(found)


def wants_lossy(plan: DeliveryPlan) -> bool:
    """Whether a lossless plan does not bring everything, and the requester consents to a loss.

    Then the caller samples lossy codings and plans again.
    """
    short = any(
        one.action in (DeliveryAction.DEFERRED, DeliveryAction.REFUSED) for one in plan.instances
    )
    lost = any(one.action is DeliveryAction.LOSSY for one in plan.instances)
    return short and not lost and bool(lossy_syntaxes(plan.wish))


def make_plan(
    series: Sequence[SeriesFacts],
    samples: Mapping[Uid, SeriesSample],
    wish: DeliveryWish,
    link: LinkProfile,
    *,
    sender: Sender,
    derived_uid: DerivedUid,
    policy: Policy = DEFAULT_POLICY,
    id: str,
) -> DeliveryPlan:
    """A plan for everything that is asked for.

    `samples` by Series Instance UID; a series without one is planned with the least ratio seen of
    its modality, which the plan's notes tell. Every instance of `series` is in the plan once.
    """
    menus = [SeriesMenu(each, samples.get(each.series), wish, sender) for each in series]
    delivery = Delivery(menus, segments_of(series, wish.purpose), link)
    awaited = policy.deadlines_of(wish)
    limits = Limits(
        seconds=awaited.everything,
        first_seconds=awaited.first_image,
        size_bytes=wish.max_bytes,
    )
    reserve = max((menu.estimate.reserve for menu in menus), default=0.0)
    lossless = soonest(delivery, limits, reserve) if menus else ()
    options = lossless
    seconds, _, size = delivery.totals(lossless)
    lacking = any(way is None for option in lossless for way in option.ways)
    if lacking or any(limits.missed(seconds * (1 + reserve), size * (1 + reserve))):
        options = with_loss(delivery, lossless, limits, policy, reserve)
    sent = fitting(delivery, options, limits, reserve)
    reasons = [
        SeriesReasons(delivery, at, lossless[at], options[at], policy) for at in range(len(menus))
    ]
    stored = _stored_seconds(delivery)
    return DeliveryPlan(
        id=id,
        wish=wish,
        link=link,
        instances=tuple(_instances(delivery, options, sent, reasons, limits, derived_uid)),
        series=tuple(
            _planned_series(menu, options[at], reasons[at], policy) for at, menu in enumerate(menus)
        ),
        stored_seconds=stored,
        notes=plan_notes(menus, link, limits, reserve),
    )


def _instances(
    delivery: Delivery,
    options: Sequence[Option],
    sent: Sent,
    reasons: Sequence[SeriesReasons],
    limits: Limits,
    derived_uid: DerivedUid,
) -> list[PlannedInstance]:
    menus = delivery.menus
    pipeline = Pipeline(delivery.link, delivery.processors)
    planned: list[PlannedInstance] = []
    before, like = None, None
    for at, place in sent.coming:
        way, facts = options[at].ways[place], menus[at].series.instances[place]
        if way is None:
            raise AssertionError("what comes has a way")
        if way is not like or at != before:
            run = Run(1, way.line_bytes, way.cpu_seconds, way.decode_seconds, at != before)
            like = way if at == before else None  # only the first begins a request
        seconds = pipeline.put(run)
        before = at
        lossy = way.action is DeliveryAction.LOSSY
        planned.append(
            PlannedInstance(
                ref=facts.ref,
                action=way.action,
                reason=reasons[at].of(way, facts),
                coding=way.coding,
                size_bytes=way.size_bytes,
                seconds=seconds,
                key_image=facts.key_image,
                derived=derived_uid(facts.ref.instance, way.coding) if lossy else None,
            )
        )
    for (at, place), eta in zip(sent.deferred, sent.etas, strict=True):
        facts = menus[at].series.instances[place]
        planned.append(
            PlannedInstance(
                ref=facts.ref,
                action=DeliveryAction.DEFERRED,
                reason=reasons[at].deferred(eta, limits),
                key_image=facts.key_image,
            )
        )
    for at, menu in enumerate(menus):
        for place, facts in enumerate(menu.series.instances):
            if options[at].ways[place] is None:
                planned.append(
                    PlannedInstance(
                        ref=facts.ref,
                        action=DeliveryAction.REFUSED,
                        reason=reasons[at].refused(facts),
                        key_image=facts.key_image,
                    )
                )
    return planned


def _stored_seconds(delivery: Delivery) -> float:
    """When everything would be readable if every file went as it lies there."""
    runs = []
    for segment in delivery.segments:
        menu = delivery.menus[segment.series]
        for number, place in enumerate(segment.places):
            way = menu.stored_ways[place]
            runs.append(Run(1, way.line_bytes, 0.0, way.decode_seconds, number == 0))
    return total_seconds(runs, delivery.link, delivery.processors)


def _planned_series(
    menu: SeriesMenu, option: Option, reasons: SeriesReasons, policy: Policy
) -> PlannedSeries:
    instances = menu.series.instances
    lossy = any(way is not None and way.action is DeliveryAction.LOSSY for way in option.ways)
    return PlannedSeries(
        series=menu.series.series,
        modality=menu.series.modality,
        instances=len(instances),
        raw_bytes=sum(one.raw_bytes for one in instances),
        stored_bytes=sum(one.size_bytes for one in instances),
        sampled=menu.estimate.sampled,
        noise=menu.estimate.noise,
        cap=cap_of(menu, policy) if lossy else None,
        forecasts=reasons.forecasts(),
    )
