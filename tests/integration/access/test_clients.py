"""The Python clients and the commands, where a service asks for keys and TLS."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import penchant
import pytest
from penchant import Tls, aio
from penchant.v1.event_pb2 import Event, RecordEventsRequest
from penchant.v1.recommendation_pb2 import RecommendRequest

from tests.integration.access.conftest import (
    NEW,
    OLD,
    PATIENCE,
    WATCH,
    WRONG,
    Authority,
    access,
    address_of,
    guarded,
    lines,
    replace,
)
from tests.integration.conftest import Start, served


async def test_the_python_clients_send_the_key_with_every_kind_of_call(
    store: Path, keys: Path, ours: Authority
) -> None:
    async with served(store, access=access(ours, api_keys_file=keys)) as service:
        address, tls = address_of(service), Tls(ours.ca)
        async with aio.Client(address, tls=tls, api_key=NEW) as client:
            assert (await client.record("u", "like", item_id="tent")).event_id
            assert [one.error async for one in client.record_many([penchant.Event("u", "like", item_id="stove")])] == [
                None
            ]
            assert (await client.upsert_items([penchant.Item("hat", "A hat")])).accepted == 1
            async with client.stream("u") as stream:
                assert (await anext(stream)).recommendations
            assert (await anext(client.watch("u"))).recommendations
            asked = client.raw.recommendations.Recommend(RecommendRequest(user_id="u"), metadata=(("x-trace", "1"),))
            assert (await asked).recommendations

        def blocking() -> None:
            with penchant.Client(address, tls=tls, api_key=NEW) as client:
                assert client.recommend("u").items
                assert client.raw.recommendations.Recommend(RecommendRequest(user_id="u")).recommendations
                lists: Any = client.raw.recommendations.WatchRecommendations(WATCH)
                assert next(lists).update.order
                events = [RecordEventsRequest(events=[Event(user_id="u", type="like", item_id="tent")])]
                acknowledged: Any = client.raw.events.RecordEvents(iter(events))
                assert next(acknowledged).acknowledgements

        await asyncio.to_thread(blocking)


async def test_the_python_clients_say_when_a_key_is_missing_wrong_or_taken_away(store: Path, keys: Path) -> None:
    async with guarded(store, keys) as service:
        address = address_of(service)
        for key, told in (("", "there is no API key"), (WRONG, "none of this service's")):
            async with aio.Client(address, api_key=key) as client:
                with pytest.raises(penchant.Unauthenticated, match=told) as refusal:
                    await client.recommend("u")
                assert refusal.value.reason == "UNAUTHENTICATED"
                with pytest.raises(penchant.Unauthenticated):
                    await anext(client.watch("u"))
        async with aio.Client(address, api_key=OLD) as client:
            updates = client.watch("u")
            await anext(updates)
            replace(keys, lines(web=NEW))
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(penchant.Unauthenticated, match="was taken away"):
                    await anext(updates)


def test_the_commands_talk_to_a_service_with_tls_and_keys(up: Start, store: Path, keys: Path, ours: Authority) -> None:
    cert, key = ours.issue("service", "127.0.0.1")
    running = up(
        store,
        PENCHANT_ACCESS__CERT_FILE=str(cert),
        PENCHANT_ACCESS__KEY_FILE=str(key),
        PENCHANT_ACCESS__API_KEYS_FILE=str(keys),
        PENCHANT_API_KEY="none of the service's business",
    )
    penchant_command = str(Path(sys.executable).parent / "penchant")

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PENCHANT_TARGET": running.address, "NO_COLOR": "1", **variables}
        return subprocess.run(
            [penchant_command, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    listed = run("recommend", "u", "--json", "--ca", str(ours.ca), "--api-key", NEW)
    assert "tent" in listed.stdout, listed.stderr
    listed = run("recommend", "u", "--json", PENCHANT_CLIENT_CA=str(ours.ca), PENCHANT_API_KEY=NEW)
    assert "tent" in listed.stdout, listed.stderr
    wrong = run("recommend", "u", "--ca", str(ours.ca), "--api-key", WRONG)
    assert (wrong.returncode, "none of this service's" in wrong.stderr) == (1, True)
    file = store.parent / "items.csv"
    file.write_text("item_id,title\nhat,A hat\n")
    state = ("--state", str(store.parent / "state"))
    imported = run("import", "items", str(file), "--ca", str(ours.ca), "--api-key", NEW, *state)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    imported = run("import", "items", str(file), "--restart", "--ca", str(ours.ca), *state)
    assert imported.returncode != 0
    assert "there is no API key" in imported.stdout + imported.stderr


def test_keys_are_made_for_the_file_and_the_file_can_be_checked(tmp_path: Path) -> None:
    penchant_command = str(Path(sys.executable).parent / "penchant")

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [penchant_command, "keys", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    code, key, _ = run("new", "web", "--file", "keys")
    assert code == 0
    assert key.startswith("pk_")
    assert (tmp_path / "keys").read_text() == lines(web=key.strip())
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    code, printed, _ = run("new", "shop")
    shown_key, line = printed.splitlines()
    assert line + "\n" == lines(shop=shown_key)
    with (tmp_path / "keys").open("a") as file:
        file.write(line)
    assert run("new", "web", "--file", "keys")[0] == 0
    assert run("check", "keys") == (0, "shop: 1 key\nweb: 2 keys\n", "")
    before = (tmp_path / "keys").read_text()
    code, printed, told = run("new", "web", "--file", "keys")
    assert (code, printed, (tmp_path / "keys").read_text()) == (2, "", before)
    assert "line 4: web has two keys already" in told
    (tmp_path / "keys").write_text(f"web {key}")
    code, printed, told = run("check", "keys")
    assert (code, printed) == (2, "")
    assert "keys, line 1" in told
    assert key.strip() not in told
