"""The embedded store: Qdrant Edge, the Qdrant engine in this process, on disk with a write-ahead log.

Every call holds the interpreter lock, so calls are made straight from the event loop and kept short: batches are cut
so that none takes longer than a few milliseconds. One process at a time may have a directory open.
"""

from penchant_adapters.edge.store import EdgeStore, open_edge

__all__ = ["EdgeStore", "open_edge"]
