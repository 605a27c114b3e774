"""Profiles of a running service: each gives the lists of its settings, and files are taken over as they change."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2
from penchant.v1.event_pb2 import Event
from penchant.v1.recommendation_pb2 import (
    ListOptions,
    RecommendRequest,
    SearchItemsRequest,
    SimilarItemsRequest,
    StreamRecommendationsRequest,
    StreamStart,
    WatchRecommendationsRequest,
)
from penchant_adapters.attribution import attributed_profile, attributed_request
from penchant_adapters.profiles import write_profile
from penchant_core.errors import InvalidSetting
from penchant_core.profiles import Profile
from penchant_core.tuning import Scoring, Tuning
from structlog.testing import capture_logs

from tests.integration.access.conftest import until
from tests.integration.conftest import ITEMS, Client, Start, detail, reason, served, status
from tests.integration.test_streams import talking, watching

Numbers = Mapping[str, Mapping[str, float]]
WORDS: Numbers = {"scoring": {"content": 1.0, "together": 0.0}, "weights": {"view": 5.0, "purchase": 0.1}}
PAIRS: Numbers = {
    "scoring": {"content": 0.001, "together": 20.0, "popularity": 0.3, "rank_decay": 0.99},
    "weights": {"hide": -0.2},
}
PROFILES = {"words": WORDS, "pairs": PAIRS}


def write(folder: Path, name: str, version: str, numbers: Numbers) -> Path:
    profile = Profile.of(Tuning(), name, version, numbers["scoring"], numbers["weights"])
    return write_profile(folder, profile, {"written": "by a test"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of two profiles."""
    for name, numbers in PROFILES.items():
        write(tmp_path / "profiles", name, "1", numbers)
    return tmp_path / "profiles"


async def live(client: Client) -> None:
    """Some people do things, u and v among them."""
    paths = {
        "a": ["tent", "stove", "banana"],
        "b": ["tent", "stove", "phone", "charger"],
        "c": ["boots", "banana", "phone", "phone-case"],
        "d": ["pear", "charger", "stove"],
    }
    events = [
        Event(user_id=user, type="purchase", item_id=item, event_id=f"{n}", occurred_at=Timestamp(seconds=10**9 + n))
        for user, items in paths.items()
        for n, item in enumerate(items)
    ]
    did = [
        ("u", "purchase", "tent", ""),
        ("u", "view", "banana", ""),
        ("u", "hide", "orange", ""),
        ("v", "search", "", "phones"),
        ("v", "view", "stove", ""),
    ]
    events += [
        Event(user_id=u, type=t, item_id=i, text=w, event_id=f"{n}", occurred_at=Timestamp(seconds=10**9 + n))
        for n, (u, t, i, w) in enumerate(did)
    ]
    assert not [one.error.message for one in await client.deliver(events) if one.HasField("error")]


async def lists(client: Client, profile: str = "") -> dict[str, list[tuple[str, float]]]:
    """All lists of a service, with their scores."""
    options = ListOptions(page_size=len(ITEMS), profile=profile)
    found = {user: (await client.recommend(user, page_size=len(ITEMS), profile=profile)) for user in "uvx"}
    found |= {
        item: await client.lists.SimilarItems(SimilarItemsRequest(item_id=item, options=options))
        for item in ("tent", "phone")
    }
    return {
        name: [(one.item_id, one.score) for one in answer.recommendations if one.score]
        for name, answer in found.items()
    }


def assert_same(found: Mapping[str, list[tuple[str, float]]], wanted: Mapping[str, list[tuple[str, float]]]) -> None:
    for name, listing in wanted.items():
        assert [item for item, _ in found[name]] == [item for item, _ in listing], name
        assert [score for _, score in found[name]] == pytest.approx([score for _, score in listing], rel=1e-4), name


async def refusal(call: Any) -> str:
    """The description of a call's refusal for its profile."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    found = status(refused.value)
    assert (found.code, reason(found)) == (code_pb2.INVALID_ARGUMENT, "INVALID_FIELD")
    (violation,) = detail(found, error_details_pb2.BadRequest).field_violations
    assert violation.field == "options.profile"
    return str(violation.description)


async def scored_with(client: Client, profile: str = "") -> str:
    return (await client.recommend("u", profile=profile)).profile


def becomes(client: Client, wanted: str, profile: str = "") -> Callable[[], Any]:
    """The fact that lists are scored with *wanted*."""

    async def true() -> bool:
        return await scored_with(client, profile) == wanted

    return true


async def test_every_profile_gives_the_lists_of_a_service_with_its_settings(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder) as client:
        await live(client)
        found = {name: await lists(client, name) for name in PROFILES}
        own = await lists(client)
        for name in PROFILES:
            answer = await client.recommend("u", page_size=12, profile=name, explain=True)
            for one in answer.recommendations:
                parts = sum(part.contribution for part in one.explanation.reasons)
                assert parts == pytest.approx(one.score, abs=1e-4)
    assert found["words"]["u"] != found["pairs"]["u"] != own["u"] != found["words"]["u"]
    assert found["words"]["tent"] != found["pairs"]["tent"]
    for name, numbers in PROFILES.items():
        scoring = Scoring(**numbers["scoring"])  # type: ignore[arg-type]  # all of these are no whole numbers
        async with served(store, scoring=scoring, weights=numbers["weights"]) as client:
            assert_same(found[name], await lists(client))
    async with served(store) as client:
        assert_same(own, await lists(client))


async def test_the_default_profile_is_that_of_requests_which_name_none(store: Path, folder: Path, up: Start) -> None:
    one = up(store, PENCHANT_PROFILES=str(folder), PENCHANT_PROFILE="words")
    async with grpc.aio.insecure_channel(one.address) as channel:
        client = Client(channel)
        await live(client)
        assert await scored_with(client) == await scored_with(client, "words") == "words@1"
        assert await scored_with(client, "pairs") == "pairs@1"
        assert await lists(client) == await lists(client, "words") != await lists(client, "pairs")
        (evidence,) = (await client.interests("v")).interests[0].evidence
        assert (evidence.type, evidence.item_id) == ("view", "stove"), "a view outweighs a search in this profile"
    assert one.stop() == 0


def test_an_unknown_default_ends_the_process_at_the_start_with_its_name(store: Path, folder: Path) -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("penchant"), "up", "--listen", "127.0.0.1:0", "--data-dir", store],
        env={**os.environ, "PENCHANT_PROFILES": str(folder), "PENCHANT_PROFILE": "nobody", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("profile: 'nobody' is not in")


def test_the_command_line_asks_for_a_profile_and_tells_which_it_was(store: Path, folder: Path, up: Start) -> None:
    one = up(store, PENCHANT_PROFILES=str(folder))

    def recommend(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("penchant"), "recommend", "u", *options],
            env={**os.environ, "PENCHANT_TARGET": one.address, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert "for u, scored with words@1" in recommend("--profile", "words").stdout
    assert "scored with" not in recommend().stdout
    refused = recommend("--profile", "nobody")
    assert refused.returncode == 1
    assert "options.profile: 'nobody' is no profile" in refused.stderr


async def test_what_cannot_be_used_is_refused_at_the_start_by_its_name(store: Path, folder: Path) -> None:
    for given, told in (
        ({"profiles": folder / "none"}, r"^profiles: cannot read the folder "),
        ({"profile": "words"}, r"^profile: 'words' stands in no folder"),
        ({"profiles": folder, "weights": {"view": -1.0}}, r"^profiles\.pairs\.weights\.view: 0\.5 has not the sign"),
    ):
        with pytest.raises(InvalidSetting, match=told):
            async with served(store, **given):
                pass


async def test_files_are_taken_over_while_the_service_runs(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder, profile="words") as client:
        await live(client)
        words, pairs = await lists(client, "words"), await lists(client, "pairs")
        write(folder, "words", "2", PAIRS)
        write(folder, "fresh", "1", WORDS)
        await until(becomes(client, "words@2"))
        await until(lambda: _knows(client, "fresh"))
        assert_same(await lists(client), pairs)
        assert_same(await lists(client, "fresh"), words)
        (folder / "fresh.toml").unlink()
        await until(lambda: _forgot(client, "fresh"))
        told = await refusal(client.recommend("u", profile="fresh"))
        assert told == "'fresh' is no profile of this service; there are: pairs, words"
        (folder / "words.toml").unlink()
        write(folder, "pairs", "2", PAIRS)
        await until(becomes(client, "pairs@2", "pairs"))
        assert await scored_with(client) == "words@2", "the default stays"


async def _knows(client: Client, profile: str) -> bool:
    try:
        return bool(await scored_with(client, profile))
    except grpc.aio.AioRpcError:
        return False


async def _forgot(client: Client, profile: str) -> bool:
    return not await _knows(client, profile)


async def test_a_broken_file_keeps_the_profile_before_and_names_the_field(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder) as client:
        await live(client)
        before = await lists(client, "words")
        with capture_logs() as told:
            (folder / "words.toml").write_text('version = "2"\n[weights]\nview = -1.0\n')
            await until(lambda: bool(told))
        (one,) = told
        assert (one["log_level"], one["profile"], one["stays"]) == ("warning", "words", "1")
        assert one["error"].startswith("profiles.words.weights.view: -1 has not the sign of the service's own 0.5")
        assert await scored_with(client, "words") == "words@1"
        assert_same(await lists(client, "words"), before)


async def test_a_mounted_folder_whose_link_moves_is_read_again(store: Path, tmp_path: Path) -> None:
    for version in ("1", "2"):
        path = write(tmp_path / f"..{version}", "words", version, WORDS)
        os.utime(path, (1_790_000_000, 1_790_000_000))
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "..data").symlink_to("../..1")
    (mounted / "words.toml").symlink_to("..data/words.toml")
    async with served(store, profiles=mounted) as client:
        assert await scored_with(client, "words") == "words@1"
        (mounted / "..next").symlink_to("../..2")
        (mounted / "..next").replace(mounted / "..data")
        await until(becomes(client, "words@2", "words"))


NOBODY = ListOptions(profile="nobody")
UNKNOWN: list[tuple[str, Message | list[Message]]] = [
    ("Recommend", RecommendRequest(user_id="u", options=NOBODY)),
    ("SimilarItems", SimilarItemsRequest(item_id="tent", options=NOBODY)),
    ("SearchItems", SearchItemsRequest(query="tent", options=NOBODY)),
    ("WatchRecommendations", WatchRecommendationsRequest(open=StreamStart(user_id="u", options=NOBODY))),
    ("StreamRecommendations", [StreamRecommendationsRequest(open=StreamStart(user_id="u", options=NOBODY))]),
    (
        "StreamRecommendations",
        [
            StreamRecommendationsRequest(open=StreamStart(user_id="u")),
            StreamRecommendationsRequest(change=NOBODY),
        ],
    ),
]


async def _all(call: Any) -> Any:
    return await call if hasattr(call, "__await__") else [answer async for answer in call]


async def test_an_unknown_profile_is_refused_by_every_call_that_takes_one(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder) as client:
        for method, request in UNKNOWN:
            call = getattr(client.lists, method)(iter(request) if isinstance(request, list) else request, timeout=20)
            assert "there are: pairs, words" in await refusal(_all(call)), method
        assert "at most 64" in await refusal(client.recommend("u", profile="x" * 65))
    async with served(store) as client:
        assert "there is none" in await refusal(client.recommend("u", profile="words"))
        assert await scored_with(client) == ""


async def test_search_scores_by_meaning_whatever_the_profile(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder) as client:
        await live(client)
        answers = [
            await client.lists.SearchItems(SearchItemsRequest(query="fruit", options=ListOptions(profile=name)))
            for name in ("", *PROFILES)
        ]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0].recommendations


async def test_a_stream_keeps_its_profile_takes_over_a_newer_one_and_outlives_its_file(
    store: Path, folder: Path
) -> None:
    async with served(store, profiles=folder) as client:
        await live(client)
        async with talking(client, options={"page_size": 4, "profile": "words"}) as stream:
            first = await stream.next()
            assert first.profile == "words@1"
            assert list(first.order) == await client.listed("u", page_size=4, profile="words")
            assert list(first.order) != await client.listed("u", page_size=4)
            await stream.say(change=ListOptions(page_size=4, profile="pairs"))
            second = await stream.next()
            assert (second.profile, second.stream_sequence) == ("pairs@1", 2)
            assert list(second.order) == await client.listed("u", page_size=4, profile="pairs")
            # A change of the profile pushes nothing: the next update is that of the event.
            write(folder, "pairs", "2", WORDS)
            await until(becomes(client, "pairs@2", "pairs"))
            await client.record("u", "like", "phone", event_id="e1")
            third = await stream.next()
            assert (third.profile, third.stream_sequence, third.trigger.event_id) == ("pairs@2", 3, "e1")
            assert list(third.order) == await client.listed("u", page_size=4, profile="pairs")
            assert list(third.order) == await client.listed("u", page_size=4, profile="words")
            (folder / "pairs.toml").unlink()
            await until(lambda: _forgot(client, "pairs"))
            await client.record("u", "like", "pear", event_id="e2")
            fourth = await stream.next()
            assert (fourth.profile, fourth.trigger.event_id) == ("pairs@2", "e2")
            for update in (first, second, third, fourth):
                assert attributed_profile(attributed_request(update.attribution_token)) == update.profile
        start = StreamStart(user_id="u", options=ListOptions(profile="pairs"), resume_token=fourth.resume_token)
        reopened = client.lists.WatchRecommendations(WatchRecommendationsRequest(open=start))
        assert await refusal(_all(reopened))


async def test_an_event_that_comes_of_a_list_is_kept_with_the_lists_profile(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder) as client, watching(client, options={"profile": "pairs"}) as stream:
        tokens = {
            "words@1": (await client.recommend("u", profile="words")).attribution_token,
            "pairs@1": (await stream.next()).attribution_token,
            "": (await client.recommend("u")).attribution_token,
        }
        for number, token in enumerate(tokens.values()):
            await client.record("u", "click", "tent", event_id=f"e{number}", attribution_token=token)
        ledger = (await client.store.users.ledgers(["u"]))["u"]
        assert [attributed_profile(event.attribution) for event in ledger.events] == list(tokens)
        assert len({event.attribution[:16] for event in ledger.events}) == 3


async def test_requests_under_way_are_answered_wholly_by_one_version(store: Path, folder: Path) -> None:
    async with served(store, profiles=folder) as client:
        await live(client)
        by_version = {
            "words@1": await client.listed("u", profile="words"),
            "words@2": await client.listed("u", profile="pairs"),
        }
        seen = set()

        async def ask() -> None:
            while "words@2" not in seen:
                answer = await client.recommend("u", profile="words")
                assert [one.item_id for one in answer.recommendations] == by_version[answer.profile]
                seen.add(answer.profile)

        async with asyncio.timeout(20.0), asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask())
            write(folder, "words", "2", PAIRS)
        assert seen == {"words@1", "words@2"}
