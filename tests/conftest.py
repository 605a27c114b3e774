"""What every test relies on."""

from hypothesis import HealthCheck, settings

from tests.cluster import cluster
from tests.kafka import broker, prefix
from tests.qdrant import qdrant

__all__ = ["broker", "cluster", "prefix", "qdrant"]

# The machines that run this differ in speed and share it; a slow example is no failure.
settings.register_profile("penchant", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("penchant")
