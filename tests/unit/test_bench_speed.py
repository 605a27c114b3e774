"""What measurements of speed say is what was measured."""

import asyncio
from pathlib import Path

import pytest
from penchant_bench import figures
from penchant_bench.report import page
from penchant_bench.speed.catalogue import Shop, new_texts
from penchant_bench.speed.client import batches, closed_loop, paced
from penchant_bench.speed.figure import Figure, Latencies, quantile
from penchant_bench.speed.growth import Point
from penchant_bench.speed.plot import draw
from penchant_bench.speed.report import cells, number


def test_a_quantile_is_a_measured_value_that_the_share_does_not_exceed() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert quantile(values, 0.5) == 50.0
    assert quantile(values, 0.99) == 99.0
    assert quantile(values, 1.0) == 100.0
    assert quantile([7.0], 0.01) == 7.0


def test_nothing_measured_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        quantile([], 0.5)


def test_times_are_told_in_milliseconds_and_the_tail_carries_the_aim() -> None:
    told = Latencies([0.001] * 98 + [0.2, 0.3]).figures("list", limit=0.5, limit_is="echo", aim=50.0)
    assert told["list p50"].value == pytest.approx(1.0)
    assert told["list p50"].ratio == pytest.approx(2.0)
    assert told["list p99"].value == pytest.approx(200.0)
    assert told["list p99"].reached is False


def test_a_call_that_fails_is_no_time() -> None:
    found = Latencies()
    with pytest.raises(RuntimeError), found.timed():
        raise RuntimeError
    assert not found.seconds


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (Figure(2.0, "ms"), None),
        (Figure(2.0, "ms", aim=2.0), True),
        (Figure(2.1, "ms", aim=2.0), False),
        (Figure(2.1, "/s", aim=2.0, more_is_better=True), True),
        (Figure(1.9, "/s", aim=2.0, more_is_better=True), False),
        (Figure(3.0, "µs", limit=2.0, ratio_aim=1.5), True),
        (Figure(3.1, "µs", limit=2.0, ratio_aim=1.5), False),
        (Figure(1.0, "µs", limit=2.0, aim=0.5, ratio_aim=1.5), False),
    ],
)
def test_an_aim_is_reached_when_value_and_ratio_are_within_it(figure: Figure, reached: bool | None) -> None:
    assert figure.reached is reached


def test_a_figure_survives_its_file() -> None:
    figure = Figure(3.0, "/s", 2.0, "bare echo", aim=4.0, ratio_aim=0.5, more_is_better=True)
    assert figure.as_json()["ratio"] == 1.5
    assert Figure.from_json(figure.as_json()) == figure
    assert Figure(0.0, "ms").as_json() == {"value": 0.0, "unit": "ms"}


def test_a_figure_is_written_with_the_digits_that_count() -> None:
    assert [number(v) for v in (0.0, 0.01234, 1.2345, 99.94, 1234.5)] == ["0", "0.0123", "1.23", "99.9", "1,234"]
    assert cells(Figure(3.0, "ms", 2.0, aim=4.0, ratio_aim=1.5)) == ("3 ms", "2", "1.50", "≤ 4, ≤ 1.5 × limit")


def test_a_measurement_of_speed_becomes_a_table(tmp_path: Path) -> None:
    found = {
        "push": Figure(30.0, "µs CPU", 10.0, "bare echo", ratio_aim=1.5).as_json(),
        "calls": Figure(5_000.0, "/s", aim=3_000.0, more_is_better=True).as_json(),
    }
    settings = {"items": None, "seconds": None, "quick": True, "load_before": 0.1, "took_seconds": 3.0}
    figures.write(tmp_path / "a.json", figures.document("recommend", "speed", settings, found))
    text = page(tmp_path)
    assert "| push | 30 µs CPU | 10 | 3.00 | ≤ 1.5 × limit | **missed** |" in text
    assert "| calls | 5,000 /s |  |  | ≥ 3,000 | reached |" in text
    assert "Limits, taken in the same run: bare echo." in text
    assert "quick: these figures mean little" in text


def test_the_same_shop_is_made_up_again() -> None:
    one, same, other = Shop(200, 20), Shop(200, 20), Shop(200, 20, seed=8)
    assert list(one.upserts()) == list(same.upserts())
    assert list(one.events()) == list(same.events())
    assert list(one.events()) != list(other.events())
    titles = [item.title for request in one.upserts(64) for item in request.items]
    assert len(set(titles)) == 200


def test_every_user_does_a_few_things_with_items_that_there_are() -> None:
    shop = Shop(200, 20)
    ids = {item.item_id for request in shop.upserts() for item in request.items}
    events = list(shop.events(15))
    counts = [sum(event.user_id == user for event in events) for user in {event.user_id for event in events}]
    assert len(counts) == 20
    assert 10 <= min(counts) <= max(counts) <= 20
    assert {event.item_id for event in events if not event.text} <= ids
    assert any(event.text for event in events)
    times = [event.occurred_at.seconds for event in events]
    assert times == sorted(set(times))


def test_new_texts_are_new() -> None:
    texts = [*new_texts(300, 1), *new_texts(300, 2)]
    assert len(set(texts)) == 600


def test_events_are_sent_in_messages_of_one_size() -> None:
    events = list(Shop(200, 20).events())
    sizes = [len(request.events) for request in batches(events, 32)]
    assert sizes[:-1] == [32] * (len(events) // 32)
    assert sum(sizes) == len(events)


async def test_a_closed_loop_keeps_so_many_calls_going() -> None:
    going = most = 0

    async def call(_: int) -> None:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0)
        going -= 1

    found, took = await closed_loop(call, 5, 0.01)
    assert most == 5
    assert len(found.seconds) >= 5
    assert took >= 0.01


async def test_paced_work_does_not_wait_for_the_work_before() -> None:
    second_began = asyncio.Event()

    async def first() -> None:
        # Ends only because the second one begins meanwhile.
        await asyncio.wait_for(second_began.wait(), 10.0)

    async def second() -> None:
        second_began.set()

    await paced([first, second], 1_000.0)
    assert second_began.is_set()


def test_the_curves_are_the_same_bytes_for_the_same_figures(tmp_path: Path) -> None:
    points = [Point(n, 1.0 * n, 2.0 * n, 0.5 * n, 100.0, 10.0, 2.0) for n in (1_000, 3_000, 10_000)]
    draw(points, tmp_path / "one.svg")
    draw(points, tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert b"engine alone" in (tmp_path / "one.svg").read_bytes()
