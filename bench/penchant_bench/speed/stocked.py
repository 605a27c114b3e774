"""Data directories that are ready to serve: filled once through the service itself, kept, and copied for every run."""

import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import penchant_adapters
import penchant_core
from penchant_relevance.encoding import cache_folder

from penchant_bench.speed import catalogue
from penchant_bench.speed.catalogue import Shop
from penchant_bench.speed.client import connected
from penchant_bench.speed.process import service

USERS_PER_ITEM = 3_400 / 12_000
"""With some 15 events a user, 12,000 items have seen 50,000 events."""
_VECTORS = "vectors.sqlite"


def shop_of(items: int) -> Shop:
    """Return the shop that measurements use: so many items and users in proportion."""
    return Shop(items, max(50, round(items * USERS_PER_ITEM)))


@asynccontextmanager
async def stocked(shop: Shop) -> AsyncIterator[Path]:
    """Give a data directory of one's own inside the block, with the shop's items and everything that happened."""
    folder = cache_folder() / "bench"
    kept = folder / f"shop-{shop.items}-{shop.users}-{shop.seed}-{_source()}"
    if not kept.exists():
        await _fill(shop, kept)
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as place:
        yield Path(shutil.copytree(kept, Path(place) / "data"))


@asynccontextmanager
async def empty(*, vectors: bool = False) -> AsyncIterator[Path]:
    """Give an empty data directory; with *vectors* the made-up items need not be encoded again."""
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as place:
        data_dir = Path(place) / "data"
        data_dir.mkdir()
        known = cache_folder() / "bench" / _VECTORS
        if vectors and known.exists():
            shutil.copy(known, data_dir)
        yield data_dir


def keep_vectors(data_dir: Path) -> None:
    """Remember the vectors of a stopped service for ``empty``, when it has more of them than are remembered."""
    known = cache_folder() / "bench" / _VECTORS
    made = data_dir / _VECTORS
    if made.stat().st_size > (known.stat().st_size if known.exists() else 0):
        known.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, known.with_suffix(".draft"))
        known.with_suffix(".draft").replace(known)


async def _fill(shop: Shop, kept: Path) -> None:
    async with empty(vectors=True) as data_dir:
        async with service(data_dir) as server, connected(server.address) as client:
            await client.import_items(shop.upserts())
            await client.record(shop.events(), 256)
        keep_vectors(data_dir)
        for older in kept.parent.glob(kept.name.rpartition("-")[0] + "-*"):
            shutil.rmtree(older, ignore_errors=True)
        # A copy that was cut short must not be taken for a whole one.
        draft = kept.with_name(kept.name + ".draft")
        shutil.copytree(data_dir, draft)
        with suppress(OSError):
            draft.rename(kept)


def _source() -> str:
    """Name the code that lays out the data and makes up the shop: other code, another directory."""
    digest = hashlib.blake2b(digest_size=6)
    packages = [Path(str(package.__file__)).parent for package in (penchant_core, penchant_adapters)]
    for path in [*sorted(p for folder in packages for p in folder.rglob("*.py")), Path(catalogue.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
