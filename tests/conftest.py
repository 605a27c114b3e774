"""What every test relies on."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.cluster import cluster
from tests.kafka import broker, prefix
from tests.qdrant import qdrant

__all__ = ["broker", "cluster", "prefix", "qdrant"]

# The machines that run this differ in speed and share it; a slow example is no failure.
settings.register_profile("penchant", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("penchant")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undo what a command or a library chose for the logs of this process: its output is gone, others are to come."""
    root = logging.getLogger()
    level, disabled = root.level, root.manager.disable
    yield
    root.setLevel(level)
    logging.disable(disabled)
    structlog.reset_defaults()
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks as small as tests' wait for their threads longer than they calculate, above all beside other tests."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
