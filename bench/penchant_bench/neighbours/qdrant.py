"""The Qdrant engine behind Qdrant's protocol, in a process of its own: ``python -m penchant_bench.neighbours.qdrant``.

The server's binary is in no package registry; its engine is (Qdrant Edge). This neighbour answers the part of the gRPC
protocol that Penchant speaks by handing every operation to the engine, on disk, one shard a collection, and answers
UNIMPLEMENTED, by name, to the rest. What comes from the engine is the real thing: storage, log, search, filters,
conditional updates. What is missing: clustering, replication, authentication, and indexes of vectors, which are kept
in the collection's settings and never built; every search is exact. The same tests run on a real server at
``PENCHANT_TEST_QDRANT_URL``.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from grpc import RpcError, aio, insecure_channel
from qdrant_client import grpc

from penchant_bench.neighbours.process import Guarded, free_port
from penchant_bench.neighbours.qdrant_answers import Context
from penchant_bench.neighbours.qdrant_collections import Collections
from penchant_bench.neighbours.qdrant_engine import Engine
from penchant_bench.neighbours.qdrant_points import Points

VERSION = "1.19.0"
"""Of the server whose protocol this is."""
MESSAGE_BYTES = 256 << 20
START_SECONDS, STOP_SECONDS = 120.0, 60.0


class Health(grpc.QdrantServicer):
    """Tells that it serves."""

    async def HealthCheck(  # noqa: N802 the name is the protocol's
        self, _: grpc.HealthCheckRequest, context: Context
    ) -> grpc.HealthCheckReply:
        """Answer."""
        del context
        return grpc.HealthCheckReply(title="the qdrant engine behind qdrant's protocol", version=VERSION)


async def serve(directory: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    engine = Engine(directory)
    server = aio.server(
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            # Two on one port would share the calls between them.
            ("grpc.so_reuseport", 0),
        ]
    )
    grpc.add_CollectionsServicer_to_server(Collections(engine), server)  # type: ignore[no-untyped-call]  # generated
    grpc.add_PointsServicer_to_server(Points(engine), server)  # type: ignore[no-untyped-call]  # generated
    grpc.add_QdrantServicer_to_server(Health(), server)  # type: ignore[no-untyped-call]  # generated
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"address=127.0.0.1:{bound}", flush=True)
    await ended.wait()
    await server.stop(grace=2.0)
    engine.close()


class QdrantProcess:
    """The neighbour as a child process, to be stopped, killed, frozen and started again on the same port."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        self._directory = directory
        self.port = port or free_port()
        self._process: Guarded | None = None

    @property
    def url(self) -> str:
        """Where Penchant finds it."""
        return f"qdrant://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running.process.pid

    @property
    def _running(self) -> Guarded:
        if self._process is None:
            raise RuntimeError("the neighbour was not started")
        return self._process

    def start(self) -> Self:
        """Start it, again on the same port, and wait until it serves."""
        self._directory.mkdir(parents=True, exist_ok=True)
        output = self._directory / "output.log"
        self._process = Guarded(
            [sys.executable, "-m", "penchant_bench.neighbours.qdrant", str(self._directory), "--port", str(self.port)],
            output,
        )
        with insecure_channel(f"127.0.0.1:{self.port}") as channel:
            health = grpc.QdrantStub(channel)  # type: ignore[no-untyped-call]  # generated
            deadline = monotonic() + START_SECONDS
            while True:
                try:
                    health.HealthCheck(grpc.HealthCheckRequest(), wait_for_ready=True, timeout=0.5)
                except RpcError as error:
                    if not self._process.running or monotonic() > deadline:
                        self.kill()
                        raise RuntimeError(f"the neighbour did not start:\n{output.read_text()}") from error
                else:
                    return self

    def stop(self) -> int:
        """Ask it to end, with SIGTERM; return its exit code."""
        return self._end(STOP_SECONDS)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(0.0)

    def _end(self, grace: float) -> int:
        process, self._process = self._process, None
        return process.end(grace) if process is not None else 0

    def freeze(self) -> None:
        """Stop its clock with SIGSTOP: it neither answers nor refuses."""
        self._running.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="The Qdrant engine behind Qdrant's protocol, for tests.")
    parser.add_argument("directory", type=Path, help="where collections are kept")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = parser.parse_args()
    asyncio.run(serve(given.directory, given.port))


if __name__ == "__main__":
    main()
