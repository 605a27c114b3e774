"""Stores on every engine, for the tests of what every store promises."""

import os
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from penchant_bench.neighbours.qdrant import QdrantProcess
from penchant_core.trained import UNTRAINED
from qdrant_client import AsyncQdrantClient

from tests.contract.engines import DIM, IN_PROCESS, ON_SERVER, OVER_GRPC, SERVER, SETTINGS, Open, Place, edge
from tests.contract.trained_kinds import KINDS, Kind

__all__ = ["DIM", "SETTINGS", "Open"]

QDRANTS = [IN_PROCESS, OVER_GRPC, *([ON_SERVER] if SERVER in os.environ else [])]


@pytest.fixture(scope="session")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantProcess]:
    """The engine behind the protocol, one process for all tests that leave it running."""
    with QdrantProcess(tmp_path_factory.mktemp("qdrant") / "data") as process:
        yield process


@pytest.fixture(params=QDRANTS)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A place for a store on Qdrant, on each of its engines."""
    async for found in _placed(request.param, request):
        yield found


async def _placed(engine: str, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if engine == IN_PROCESS:
        for told in ("Payload indexes have no effect in the local Qdrant", "Local mode performs exact"):
            # pytest takes the filter back after the test.
            warnings.filterwarnings("ignore", told)
        found = Place(engine, client=AsyncQdrantClient(":memory:"))
    elif engine == OVER_GRPC:
        found = Place(engine, request.getfixturevalue("neighbour").url)
    else:
        found = Place(engine, os.environ[SERVER])
    yield found
    await found.cleared()


@pytest.fixture
def embedded(tmp_path: Path) -> Open:
    """Opens the test's embedded store; opening it again after it was closed finds what was written."""
    return lambda: edge(tmp_path / "store")


@pytest.fixture(params=["edge", *QDRANTS])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the test's store, on every engine; opening it again after it was closed finds what was written."""
    if request.param == "edge":
        yield lambda trained=UNTRAINED: edge(tmp_path / "store", trained)
        return
    async for found in _placed(request.param, request):
        yield found.stores


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.part))
def kind(request: pytest.FixtureRequest) -> Kind:
    """One kind of trained model."""
    found: Kind = request.param
    return found
