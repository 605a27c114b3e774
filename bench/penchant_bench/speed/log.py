"""How many events a second are learnt through Kafka: a consumer catches up with what was written beforehand."""

from collections.abc import Iterable

from penchant.v1 import event_pb2

from penchant_bench.speed import bare_log
from penchant_bench.speed.catalogue import Shop, new_texts
from penchant_bench.speed.catching import Caught, clicks, reviews, watching
from penchant_bench.speed.cluster import PARTITIONS, Cluster, cluster, note
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.ingest import encoder_alone
from penchant_bench.speed.shelf import Shelf, shelf_of

ITEMS, USERS = 2_000, 5_000
EVENTS, SINGLE = 60_000, 2_000
"""Events in batches, and one by one."""
TEXTS, SINGLE_TEXTS = 6_000, 500
AIM, TIMES_AIM = 5_000.0, 20.0
GETMANY = "a bare `getmany` loop over the same records"
ENCODER = "the encoder alone, in batches"
__all__ = ["measure", "note"]


async def measure(options: Options) -> Figures:
    """Measure events on known items and reviews that nobody wrote before, in batches and one by one."""
    shelf = await shelf_of(Shop(options.size(ITEMS, 150), 300 if options.quick else USERS))
    share = 0.02 if options.quick else 1.0
    async with cluster(quick=options.quick) as ground:
        figures = await _items(ground, shelf, round(EVENTS * share), round(SINGLE * share))
        return figures | await _words(ground, shelf, round(TEXTS * share), round(SINGLE_TEXTS * share))


async def _items(ground: Cluster, shelf: Shelf, events: int, single: int) -> Figures:
    both, bare = await _learnt(ground, shelf, clicks(shelf.shop, events))
    users, _ = await _learnt(ground, shelf, clicks(shelf.shop, events), "users")
    one, slow = await _learnt(ground, shelf, clicks(shelf.shop, single), kafka__max_batch=1)
    return {
        "known items": _rate(both.per_second, bare.per_second, GETMANY),
        "known items, per core of the consumer": _rate(
            both.events / both.used("consumers"), bare.records / bare.cpu, GETMANY, AIM
        ),
        **both.costs("known items"),
        "known items, user stage alone": _rate(users.per_second, bare.per_second, GETMANY),
        "known items, user stage alone, per core of the consumer": _rate(
            users.events / users.used("consumers"), bare.records / bare.cpu, GETMANY, AIM
        ),
        **users.costs("known items, user stage alone"),
        "known items, one by one": _rate(one.per_second, slow.per_second, GETMANY),
        "known items, batches ÷ one by one": _rate(both.per_second / one.per_second, unit="times"),
    }


async def _words(ground: Cluster, shelf: Shelf, texts: int, single: int) -> Figures:
    alone = await encoder_alone(min(texts, 1_500))
    many, _ = await _learnt(ground, shelf, reviews(shelf.shop, new_texts(texts, 21)))
    one, _ = await _learnt(ground, shelf, reviews(shelf.shop, new_texts(single, 22)), kafka__max_batch=1)
    return {
        "new words": _rate(many.per_second, alone, ENCODER),
        **many.costs("new words"),
        "new words, one by one": _rate(one.per_second),
        "new words, batches ÷ one by one": _rate(many.per_second / one.per_second, aim=TIMES_AIM, unit="times"),
    }


async def _learnt(
    ground: Cluster, shelf: Shelf, events: Iterable[event_pb2.Event], stage: str = "all", **more: object
) -> tuple[Caught, bare_log.BareLog]:
    """Have a consumer learn events on a catalogue that it knows; tell what reading them alone takes, too."""
    place = await ground.renewed()
    await shelf.put_into(place)
    await place.produce(events)
    bare = await bare_log.read_by_process(place.broker.address, place.topics.events, PARTITIONS)
    async with watching(place) as watch, place.consuming(stage, **more) as consumer:
        return await watch.caught_up([consumer], items=stage == "all"), bare


def _rate(
    value: float, limit: float | None = None, limit_is: str = "", aim: float | None = None, unit: str = "/s"
) -> Figure:
    return Figure(value, unit, limit, limit_is, aim, more_is_better=True)
