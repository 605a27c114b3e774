"""Real processes to measure: the service as an operator starts it, and bare counterparts."""

import asyncio
import os
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START_SECONDS = 120.0
STOP_SECONDS = 30.0
_ADDRESS = re.compile(r"address=(\S+:\d+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class StartFailed(RuntimeError):
    """A process ended, or stayed silent, before it served."""


@dataclass(slots=True)
class Server:
    """A process that answers on an address."""

    address: str
    pid: int
    log: deque[str] = field(default_factory=lambda: deque(maxlen=50))
    """The last lines it wrote."""

    def cpu_seconds(self) -> float:
        """Return the seconds of processor that all of its threads have used, to the nearest hundredth."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        """Return its resident memory."""
        return int(psutil.Process(self.pid).memory_info().rss)


@asynccontextmanager
async def service(data_dir: Path, **settings: object) -> AsyncIterator[Server]:
    """Run ``penchant up`` on *data_dir* and a free port inside the block, with other *settings* than the defaults."""
    command = [str(Path(sys.executable).with_name("penchant")), "up", "--data-dir", str(data_dir)]
    async with serving([*command, "--listen", "127.0.0.1:0"], **settings) as server:
        yield server


@asynccontextmanager
async def echo(reply_bytes: int) -> AsyncIterator[Server]:
    """Run the bare gRPC server that answers every message with so many bytes."""
    async with serving([sys.executable, "-m", "penchant_bench.speed.echo", str(reply_bytes)]) as server:
        yield server


@asynccontextmanager
async def serving(
    command: Sequence[str], ready: re.Pattern[str] = _ADDRESS, /, **settings: object
) -> AsyncIterator[Server]:
    """Run a command that tells ``address=HOST:PORT`` once it serves; end it with SIGTERM when leaving the block.

    One that says something else has another pattern to be *ready*, whose first group is taken for the address.
    """
    # The settings of whoever measures are not those of the measurement.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENCHANT_")}
    environment |= {f"PENCHANT_{name.upper()}": str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    assert process.stdout is not None
    server = Server("", process.pid)
    try:
        server.address = await _address(process.stdout, server.log, ready)
        reading = asyncio.create_task(_drain(process.stdout, server.log))
        yield server
        await _ended(process)
        await reading
    finally:
        await _ended(process)


async def _address(lines: asyncio.StreamReader, log: deque[str], ready: re.Pattern[str]) -> str:
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in lines:
                log.append(_COLOUR.sub("", line.decode(errors="replace")).rstrip())
                if found := ready.search(log[-1]):
                    return found[1]
    except TimeoutError as error:
        raise StartFailed(f"nothing was served within {START_SECONDS:g} s; so far:\n" + "\n".join(log)) from error
    raise StartFailed("the process ended before it served; it said:\n" + "\n".join(log))


async def _drain(lines: asyncio.StreamReader, log: deque[str]) -> None:
    # A full pipe would stop the process at its next line.
    async for line in lines:
        log.append(line.decode(errors="replace").rstrip())


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
