"""The telemetry of one process, opened in its composition root and closed by leaving the block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from penchant_adapters.settings_groups import TelemetrySettings
from penchant_adapters.telemetry.loop import watch_loop
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.telemetry.scrape import Ready, listen_of, scraped
from penchant_adapters.telemetry.traces import opened_traces


def starting() -> str:
    """Not be ready yet."""
    return "starting"


def stopping() -> str:
    """Not be ready any more."""
    return "stopping"


@dataclass(slots=True)
class Telemetry:
    """What a process tells, and whether it is ready to work."""

    metrics: Metrics = field(default_factory=Metrics)
    ready: Ready = starting
    """Asked by ``/ready``; the composition root puts another one here when it has built everything."""
    address: str = ""
    """Where metrics are read, HOST:PORT; empty: nowhere."""

    def why_not(self) -> str:
        """Return why the process is not ready, and nothing when it is."""
        return self.ready()


@asynccontextmanager
async def opened_telemetry(settings: TelemetrySettings, service: str, number: int = 0) -> AsyncIterator[Telemetry]:
    """Measure, trace and answer inside the block; *service* is the name of the kind of process in traces.

    Of several processes on one machine each has a *number*, from 0, and tells its metrics on a port of its own.
    """
    telemetry = Telemetry()
    listen = listen_of(settings.metrics_listen, number)
    with opened_traces(settings, service):
        async with scraped(listen, telemetry.metrics, telemetry.why_not) as address:
            telemetry.address = address
            watching = asyncio.create_task(watch_loop(telemetry.metrics.event_loop_lag))
            try:
                yield telemetry
            finally:
                watching.cancel()
