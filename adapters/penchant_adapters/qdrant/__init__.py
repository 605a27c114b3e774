"""The store of a cluster: a Qdrant server, or several.

Unlike the embedded store it has many readers and writers at once. Every write is conditional on the offset that the
point was written with before, so that a process that slept does no harm when it wakes (``penchant_core.log``).
"""

from penchant_adapters.qdrant.store import QdrantStore, open_qdrant

__all__ = ["QdrantStore", "open_qdrant"]
