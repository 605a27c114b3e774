"""How long from starting the process to the first recommendation answered."""

import sys
import time
from pathlib import Path
from statistics import median

from penchant.v1 import recommendation_pb2 as pb

from penchant_bench.speed.catalogue import user_id
from penchant_bench.speed.client import connected
from penchant_bench.speed.echo import UNARY, plain
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import service, serving
from penchant_bench.speed.stocked import empty, shop_of, stocked

ITEMS = 12_000
RUNS = 3
LIMIT = "a bare process: imports, weights and shards loaded, one echo"


async def measure(options: Options) -> Figures:
    """Measure starts on an empty directory and on a filled one."""
    shop, runs = shop_of(options.size(ITEMS, 500)), 1 if options.quick else RUNS
    figures: Figures = {}
    # The second start is the first one that counts: files that were never read are another matter.
    async with empty() as data_dir:
        await first_list(data_dir)
        figures |= await _compared("empty", data_dir, runs)
    async with stocked(shop) as data_dir:
        await first_list(data_dir)
        figures |= await _compared(f"{shop.items:,} items", data_dir, runs)
    return figures


async def _compared(name: str, data_dir: Path, runs: int) -> Figures:
    found = median([await first_list(data_dir) for _ in range(runs)])
    limit = median([await _bare(data_dir) for _ in range(runs)])
    return {f"first list, {name}": Figure(found, "s", limit, LIMIT)}


async def first_list(data_dir: Path) -> float:
    """Return seconds from starting the service to its first answer."""
    begin = time.perf_counter()
    async with service(data_dir) as server, connected(server.address) as client:
        await client.recommendations.Recommend(pb.RecommendRequest(user_id=user_id(0)))
        return time.perf_counter() - begin


async def _bare(data_dir: Path) -> float:
    begin = time.perf_counter()
    shards = [str(data_dir / name) for name in ("users", "items")]
    command = [sys.executable, "-m", "penchant_bench.speed.echo", "700", *shards]
    async with serving(command) as server, plain(server.address) as channel:
        await channel.unary_unary(UNARY)(b"")
        return time.perf_counter() - begin
