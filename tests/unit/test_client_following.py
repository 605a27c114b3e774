"""Differences, resumption and pacing, as plain calls without a network."""

import json
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant.errors import Internal
from penchant.following import Following, merged
from penchant.retry import Backoff, service_config
from penchant.v1 import recommendation_pb2 as pb

item_ids = st.sampled_from([f"i{number}" for number in range(12)])
lists = st.lists(st.lists(item_ids, unique=True, max_size=12), min_size=1, max_size=12)


def encoded(orders: list[list[str]], snapshots: set[int]) -> list[pb.RecommendationUpdate]:
    """Encode lists as the contract says; an item's score tells in which update it was described last."""
    updates: list[pb.RecommendationUpdate] = []
    before: list[str] = []
    for number, order in enumerate(orders, start=1):
        snapshot = number == 1 or number in snapshots
        told = [item_id for item_id in order if snapshot or item_id not in before]
        updates.append(
            pb.RecommendationUpdate(
                stream_sequence=number,
                order=order,
                snapshot=snapshot,
                recommendations=[pb.Recommendation(item_id=item_id, score=number) for item_id in told],
                resume_token=f"r{number}",
            )
        )
        before = order
    return updates


@given(lists, st.sets(st.integers(1, 12)), st.integers(0, 10**9))
def test_any_sequence_of_lists_comes_out_as_it_went_in(orders: list[list[str]], snapshots: set[int], seed: int) -> None:
    following = Following(pb.StreamStart(user_id="u"))
    random = Random(seed)
    described: dict[str, int] = {}
    for update in encoded(orders, snapshots):
        described |= {one.item_id: int(one.score) for one in update.recommendations}
        seen = following.accept(update)
        assert seen is not None
        assert [(one.item_id, one.score) for one in seen.recommendations] == [
            (item_id, described[item_id]) for item_id in update.order
        ]
        assert seen.sequence == update.stream_sequence
        if random.random() < 0.3:  # a connection ends, and the next one repeats the last update
            assert following.opening().resume_token == update.resume_token
            assert following.accept(update) is None


@given(lists, st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)))
def test_updates_that_wait_for_a_reader_are_one_that_says_the_same(
    orders: list[list[str]], snapshots: set[int], reads: set[int]
) -> None:
    quick, slow = Following(pb.StreamStart()), Following(pb.StreamStart())
    waiting: pb.RecommendationUpdate | None = None
    for update in encoded(orders, snapshots):
        expected = quick.accept(update)
        waiting = update if waiting is None else merged(waiting, update)
        assert len(waiting.recommendations) <= len(waiting.order)
        if update.stream_sequence in reads or update.stream_sequence == len(orders):
            seen = slow.accept(waiting)
            assert expected is not None
            assert seen is not None
            assert (seen.recommendations, seen.sequence) == (expected.recommendations, expected.sequence)
            assert slow.opening().resume_token == update.resume_token
            waiting = None


def test_the_last_trigger_is_kept_when_updates_become_one() -> None:
    first, second, third = encoded([["i1"], ["i2"], ["i3"]], set())
    first.trigger.event_id, second.trigger.event_id = "e1", "e2"
    assert merged(merged(first, second), third).trigger.event_id == "e2"
    assert not merged(third, third).HasField("trigger")
    assert first.trigger.event_id == "e1"


@given(lists)
def test_a_list_is_changed_when_items_or_order_differ(orders: list[list[str]]) -> None:
    following = Following(pb.StreamStart())
    seen = [following.accept(update) for update in encoded(orders, set())]
    expected = [True, *(now != before for before, now in pairwise(orders))]
    assert [update is not None and update.changed for update in seen] == expected


def test_an_item_that_comes_back_without_details_is_the_services_fault() -> None:
    following = Following(pb.StreamStart())
    for update in encoded([["i1", "i2"], ["i2"]], set()):
        following.accept(update)
    with pytest.raises(Internal, match="no details of 'i1'"):
        following.accept(pb.RecommendationUpdate(stream_sequence=3, order=["i2", "i1"]))


def test_the_next_connection_continues_with_the_newest_options_and_what_was_shown_last() -> None:
    following = Following(pb.StreamStart(user_id="u", min_freshness="f1"))
    first, second = encoded([["i1", "i2"], ["i2", "i1"]], set())
    following.accept(first)
    following.change(pb.ListOptions(page_size=2))
    following.shown(1, 1)
    opening = following.introduction().open
    assert opening == pb.StreamStart(
        user_id="u", options=pb.ListOptions(page_size=2), resume_token="r1", shown_positions=1
    )

    following.accept(second)  # its token knows what was shown of the first
    opening = following.introduction().open
    assert (opening.resume_token, opening.shown_positions) == ("r2", 0)


@pytest.mark.parametrize(("positions", "sequence"), [(3, 1), (-1, 1), (1, 0), (1, 2)])
def test_positions_that_were_never_received_cannot_be_shown(positions: int, sequence: int) -> None:
    following = Following(pb.StreamStart())
    following.accept(encoded([["i1", "i2"]], set())[0])
    with pytest.raises(ValueError, match=r"is not within|was not received"):
        following.shown(positions, sequence)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_delays_double_from_50_ms_to_5_s_and_keep_half(draws: list[float]) -> None:
    remaining = iter(draws)
    backoff = Backoff(lambda: next(remaining))
    for number in range(len(draws)):
        longest = min(5.0, 0.05 * 2**number)
        assert longest / 2 <= backoff.next() <= longest
    backoff.succeeded()
    assert backoff.failures == 0


def test_all_languages_begin_with_one_service_config() -> None:
    shared = Path(__file__).parents[2] / "clients" / "service_config.json"
    assert files("penchant").joinpath("service_config.json").read_bytes() == shared.read_bytes()
    assert json.loads(service_config(3)) == json.loads(shared.read_text())
    assert json.loads(service_config(0))["loadBalancingConfig"] == [{"round_robin": {}}]
    assert "retryPolicy" not in service_config(0)


@pytest.mark.parametrize("retries", [-1, 5])
def test_retries_beyond_what_grpc_does_are_refused(retries: int) -> None:
    with pytest.raises(ValueError, match=f"retries: {retries} is not within 0–4"):
        service_config(retries)
