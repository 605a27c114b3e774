"""The engines that keep the stores' promises. A new one is one more entry of ``ENGINES``."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from penchant_adapters.edge import open_edge
from penchant_core.pipeline import Stores
from penchant_core.tuning import Covisitation

DIM = 8
SETTINGS = Covisitation(popularity_exponent=0.3, width=64)

Engine = Callable[[Path], AbstractAsyncContextManager[Stores]]
Open = Callable[[], AbstractAsyncContextManager[Stores]]


@asynccontextmanager
async def edge(path: Path) -> AsyncIterator[Stores]:
    with open_edge(path, "model", DIM, SETTINGS, min_free_bytes=0) as store:
        yield store.stores


ENGINES: dict[str, Engine] = {"edge": edge}


@pytest.fixture(params=sorted(ENGINES))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the test's store; opening it again after it was closed finds what was written."""
    engine = ENGINES[request.param]
    return lambda: engine(tmp_path / "store")
