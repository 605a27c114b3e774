"""A small HTTP endpoint in the event loop: ``/metrics`` for Prometheus, ``/healthz`` and ``/ready`` for Kubernetes.

In the loop and not in a thread, so that ``/healthz`` says the truth: a process whose loop stands still does not answer.
Metrics are written out in a thread, so that a scrape holds up nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import structlog
from penchant_core.errors import InvalidSetting
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from penchant_adapters.telemetry.metrics import Metrics

Ready: TypeAlias = Callable[[], str]
"""Says in one line why the process is not ready, and nothing when it is."""

HEADER_BYTES = 8_192
PATIENCE = 5.0
"""Seconds that a request may take."""
AT_ONCE = 32
"""Connections that are answered at once; more are closed."""
_FIELD = "telemetry.metrics_listen"
_PLAIN = "text/plain; charset=utf-8"
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_log = structlog.get_logger()


def always() -> str:
    """Be ready."""
    return ""


def listen_of(listen: str, number: int) -> str:
    """Return where the process of a *number*, from 0, listens: each has its own port, one after the other."""
    host, port = _parsed(listen) if listen else ("", 0)
    return f"{host}:{port + number}" if port else listen


@asynccontextmanager
async def scraped(listen: str, metrics: Metrics, ready: Ready = always) -> AsyncIterator[str]:
    """Answer inside the block; give the bound HOST:PORT, nothing when *listen* is empty.

    Raises ``InvalidSetting`` when it cannot listen there.
    """
    if not listen:
        yield ""
        return
    host, port = _parsed(listen)
    endpoint = _Endpoint(metrics, ready)
    try:
        server = await asyncio.start_server(endpoint.answer, host.strip("[]"), port, limit=HEADER_BYTES)
    except OSError as error:
        problem = f"cannot listen on {listen}: {error.strerror}; choose another"
        raise InvalidSetting(problem, field=_FIELD) from error
    address = f"{host}:{server.sockets[0].getsockname()[1]}"
    _log.info("telling metrics", metrics=address)
    try:
        yield address
    finally:
        server.close()
        await endpoint.close()


def _parsed(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) >= 1 << 16:
        raise InvalidSetting(f"{listen!r} is not host:port", field=_FIELD)
    return host, int(port)


class _Endpoint:
    """Answers one request per connection."""

    def __init__(self, metrics: Metrics, ready: Ready) -> None:
        self._metrics = metrics
        self._ready = ready
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request, answer, close."""
        task: Any = asyncio.current_task()
        try:
            if len(self._open) < AT_ONCE:
                self._open[task] = writer
                async with asyncio.timeout(PATIENCE):
                    await self._answered(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asks so, or leaves, gets no answer
        finally:
            self._open.pop(task, None)
            writer.close()

    async def close(self) -> None:
        """Give up what is under way: who has not asked yet is not waited for."""
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        code, kind, body = await self._found(method, rest.split(" ")[0].partition("?")[0])
        start = f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{start}Connection: close\r\n\r\n".encode() + (b"" if method == "HEAD" else body))
        with suppress(ConnectionError):
            await writer.drain()

    async def _found(self, method: str, path: str) -> tuple[int, str, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, _PLAIN, b"use GET\n"
        if path == "/metrics":
            return 200, CONTENT_TYPE_PLAIN_0_0_4, await asyncio.to_thread(generate_latest, self._metrics.registry)
        if path == "/healthz":
            return 200, _PLAIN, b"ok\n"
        if path == "/ready":
            reason = self._ready()
            return (503, _PLAIN, f"{reason}\n".encode()) if reason else (200, _PLAIN, b"ready\n")
        return 404, _PLAIN, b"there are /metrics, /healthz and /ready\n"
