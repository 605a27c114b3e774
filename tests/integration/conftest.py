"""The real service: in this process with any settings, or as the command a user runs."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from penchant.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)
from penchant_adapters.edge import EdgeStore
from penchant_adapters.settings import Settings
from penchant_core.counts import Counts
from penchant_server.app import Service, running

ROUNDING = 1e-3
ITEMS = {
    "banana": ("Fresh bananas", "fruit", 2.0),
    "apple": ("Red apples", "fruit", 3.0),
    "orange": ("Sweet oranges", "fruit", 4.0),
    "pear": ("Ripe pears", "fruit", 5.0),
    "phone": ("Smartphone with a large screen", "phones", 500.0),
    "phone-case": ("Case for a smartphone", "phones", 20.0),
    "charger": ("Fast phone charger with cable", "phones", 30.0),
    "tablet": ("Tablet computer", "phones", 400.0),
    "boots": ("Hiking boots for mountain trails", "outdoor", 150.0),
    "tent": ("Light tent for two campers", "outdoor", 250.0),
    "stove": ("Camping stove with gas", "outdoor", 60.0),
    "sleeping-bag": ("Warm sleeping bag for camping", "outdoor", 120.0),
}


def catalogue() -> list[catalog_pb2.Item]:
    """A dozen items in three categories."""
    return [
        catalog_pb2.Item(item_id=i, title=title, categories=[kind], price=price, attributes={"kind": kind})
        for i, (title, kind, price) in ITEMS.items()
    ]


class Client:
    """Stubs of every service, and calls in one line."""

    def __init__(self, channel: grpc.aio.Channel, service: Service | None = None) -> None:
        self.channel = channel
        self.service = service
        self.events: Any = event_pb2_grpc.EventServiceStub(channel)
        self.items: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.lists: Any = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.users: Any = user_pb2_grpc.UserServiceStub(channel)

    @property
    def store(self) -> EdgeStore:
        """The store of a service in this process."""
        assert self.service is not None
        return self.service.store

    async def record(self, user_id: str, type: str, item_id: str = "", **more: Any) -> event_pb2.RecordEventResponse:  # noqa: A002 the contract's word
        event = event_pb2.Event(user_id=user_id, type=type, item_id=item_id, **more)
        answer: event_pb2.RecordEventResponse = await self.events.RecordEvent(event_pb2.RecordEventRequest(event=event))
        return answer

    async def deliver(self, *batches: Sequence[event_pb2.Event]) -> list[event_pb2.Acknowledgement]:
        requests = [event_pb2.RecordEventsRequest(events=batch) for batch in batches]
        return [told async for answer in self.events.RecordEvents(iter(requests)) for told in answer.acknowledgements]

    async def upsert(self, *items: catalog_pb2.Item) -> list[catalog_pb2.UpsertItemsResponse]:
        # Written, not iterated over: gRPC tells of a call that ends early while it reads an iterator as cancelled.
        call = self.items.UpsertItems(None)
        await call.write(catalog_pb2.UpsertItemsRequest(items=items))
        await call.done_writing()
        return [answer async for answer in call]

    async def recommend(self, user_id: str, **options: Any) -> recommendation_pb2.RecommendResponse:
        request = recommendation_pb2.RecommendRequest(
            user_id=user_id, options=recommendation_pb2.ListOptions(**options)
        )
        answer: recommendation_pb2.RecommendResponse = await self.lists.Recommend(request)
        return answer

    async def listed(self, user_id: str, **options: Any) -> list[str]:
        return [one.item_id for one in (await self.recommend(user_id, **options)).recommendations]

    async def interests(self, user_id: str) -> user_pb2.GetInterestsResponse:
        answer: user_pb2.GetInterestsResponse = await self.users.GetInterests(
            user_pb2.GetInterestsRequest(user_id=user_id)
        )
        return answer


def status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    found: status_pb2.Status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it only asks for what every error has
    return found


def detail(found: status_pb2.Status, kind: type[Message]) -> Any:
    """The one detail of a kind."""
    (packed,) = [any_ for any_ in found.details if any_.Is(kind.DESCRIPTOR)]
    message = kind()
    packed.Unpack(message)
    return message


def reason(found: status_pb2.Status) -> str:
    info = detail(found, error_details_pb2.ErrorInfo)
    assert info.domain == "penchant"
    return str(info.reason)


@asynccontextmanager
async def served(data_dir: Path, **settings: Any) -> AsyncIterator[Client]:
    """A service in this process, with a client."""
    given = {"listen": "127.0.0.1:0", "data_dir": data_dir, "flush_interval": 60.0, "min_free_bytes": 1 << 20}
    async with (
        running(Settings.read(**given | settings)) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        yield Client(channel, service)


def assert_same_counts(found: Mapping[str, Counts], wanted: Mapping[str, Counts]) -> None:
    """Compare up to roundings; a pair taken back may leave one of nearly nothing."""

    def told(counts: Counts) -> dict[int, float]:
        return {d: v for d, v in zip(counts.dims.tolist(), counts.values.tolist(), strict=True) if v > ROUNDING}

    for item_id in ITEMS:
        one, other = found.get(item_id, Counts()), wanted.get(item_id, Counts())
        assert told(one) == pytest.approx(told(other), rel=ROUNDING, abs=ROUNDING), item_id
        assert [one.out, one.visits] == pytest.approx([other.out, other.visits], rel=ROUNDING, abs=ROUNDING), item_id


def copied(source: Path, target: Path) -> Path:
    """Copy a store; its files are mostly holes."""
    subprocess.run(["cp", "-r", "--sparse=always", str(source), str(target)], check=True)
    return target


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store that holds the dozen items; copy it."""
    import asyncio

    path = tmp_path_factory.mktemp("stocked") / "store"

    async def stock() -> None:
        async with served(path) as client:
            (answer,) = await client.upsert(*catalogue())
            assert answer.accepted == len(ITEMS)

    asyncio.run(stock())
    return path


@pytest.fixture
def store(stocked: Path, tmp_path: Path) -> Path:
    """A copy of its own for one test."""
    return copied(stocked, tmp_path / "store")


@pytest.fixture
async def service(store: Path) -> AsyncIterator[Client]:
    """A service with the dozen items, for one test."""
    async with served(store) as client:
        yield client


@dataclass
class Up:
    """``penchant up`` as a real process."""

    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


Start = Callable[..., Up]


@pytest.fixture
def up() -> Iterator[Start]:
    """Start ``penchant up`` on a directory; whatever still runs at the end is killed."""
    started: list[Up] = []
    penchant = shutil.which("penchant", path=str(Path(sys.executable).parent))
    if penchant is None:
        pytest.skip("the console script penchant is not installed beside this Python")

    def start(data_dir: Path, **variables: str) -> Up:
        process = subprocess.Popen(
            [penchant, "up", "--listen", "127.0.0.1:0", "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "PENCHANT_MIN_FREE_BYTES": "1000000", **variables},
        )
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "serving" in line:
                address = line.split("address=")[1].split()[0]
                started.append(Up(process, address))
                return started[-1]
        process.wait()
        raise AssertionError(f"penchant up ended with {process.returncode}: {''.join(said)}")

    yield start
    for one in started:
        one.kill()
        if one.process.stdout is not None:
            one.process.stdout.close()
