"""The engine behind Qdrant's protocol, one process for the whole session; collections are the tests' own."""

from collections.abc import Iterator

import pytest
from penchant_bench.neighbours.qdrant import QdrantProcess


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantProcess]:
    """The store of the session; whoever stops it starts it again."""
    with QdrantProcess(tmp_path_factory.mktemp("qdrant")) as running:
        yield running
