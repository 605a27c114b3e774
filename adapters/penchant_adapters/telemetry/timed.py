"""Ports with a clock: what the store takes, as whoever asks it feels it."""

import inspect
from typing import Any, TypeVar, cast

from penchant_core.pipeline import Library, Stores

from penchant_adapters.telemetry.metrics import Metrics

Port = TypeVar("Port")


def timed(port: Port, metrics: Metrics) -> Port:
    """Return a port of the store whose coroutines are measured, each under its own name as the operation."""
    return cast("Port", _Timed(port, metrics))


class _Timed:
    """Looks like what it wraps; a method is wrapped when it is first asked for."""

    def __init__(self, port: object, metrics: Metrics) -> None:
        self._port = port
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found
        seconds = self._metrics.store(name)

        async def measured(*args: Any, **kwargs: Any) -> Any:
            with seconds.time():
                return await found(*args, **kwargs)

        setattr(self, name, measured)
        return measured


def timed_library(library: Library, metrics: Metrics) -> Library:
    """Return the ports that state is read through, measured."""
    return Library(timed(library.users, metrics), timed(library.catalogue, metrics), timed(library.retriever, metrics))


def timed_stores(stores: Stores, metrics: Metrics) -> Stores:
    """Return the ports of a store with one writer, measured."""
    return Stores(
        timed(stores.users, metrics),
        timed(stores.catalogue, metrics),
        timed(stores.tally, metrics),
        timed(stores.retriever, metrics),
    )
