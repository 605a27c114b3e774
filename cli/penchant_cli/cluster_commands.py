"""``penchant consume`` and ``penchant serve``: the processes of a cluster."""

import asyncio
import os
import signal
import subprocess
import sys
from enum import StrEnum
from typing import Annotated

import typer
from penchant_core.errors import InvalidSetting

from penchant_cli.telling import told_in_a_sentence


class Which(StrEnum):
    """Stages of a consumer."""

    ALL = "all"
    USERS = "users"
    ITEMS = "items"


def consume_command(
    stage: Annotated[
        Which, typer.Option(help="users: events → interests; items: descriptions and counts; all: both in one process.")
    ] = Which.ALL,
) -> None:
    """Consume the log: learn from events and items, write to the store, tell the servers.

    Run as many as there are partitions at most; they share the partitions among themselves. Make the topics once with
    `penchant topics create`. Settings: PENCHANT_KAFKA__BOOTSTRAP, PENCHANT_STORE; all of them: `penchant config`.
    Stop it with Ctrl-C or SIGTERM: what is under way is finished and committed.
    """
    from penchant_adapters.settings import Settings  # noqa: PLC0415 slow to import and not always installed
    from penchant_adapters.telemetry.logs import configured  # noqa: PLC0415
    from penchant_consumers.app import consume  # noqa: PLC0415

    with told_in_a_sentence():
        settings = Settings.read()
        configured(settings.telemetry)
        # Not in uvloop's loop: see `penchant_adapters.process.run`.
        asyncio.run(consume(settings, stage.value))


def serve_command(
    listen: Annotated[str | None, typer.Option(help="Address to serve on; port 0 takes a free one.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port, one a core.")] = 1,
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve recommendations: answers from the store, events and items to the log.

    It needs a consumer somewhere (`penchant consume`). Settings: PENCHANT_KAFKA__BOOTSTRAP, PENCHANT_STORE; all of
    them: `penchant config`. Stop it with Ctrl-C or SIGTERM: streams say farewell with a token to go on with.
    """
    from penchant_adapters.settings import Settings  # noqa: PLC0415 slow to import and not always installed
    from penchant_adapters.telemetry.logs import configured  # noqa: PLC0415
    from penchant_server.cluster import serve  # noqa: PLC0415

    with told_in_a_sentence():
        settings = Settings.read(listen=listen)
        configured(settings.telemetry)
        if processes > 1:
            if settings.listen.endswith(":0"):
                raise InvalidSetting("several processes need a port to share; 0 is none", field="listen")
            raise typer.Exit(_several(settings.listen, processes))
        asyncio.run(serve(settings, number=worker or 0, shared_port=worker is not None))


def _several(listen: str, processes: int) -> int:
    """Run workers until one ends or a signal comes; return the exit code. One that fails takes all down with it."""
    command = [sys.executable, "-m", "penchant_cli.entry", "serve", "--listen", listen]
    workers = [subprocess.Popen([*command, "--worker", str(number)]) for number in range(processes)]  # noqa: S603

    asked = False

    def pass_on(number: int, _: object) -> None:
        nonlocal asked
        asked = True
        for worker in workers:
            worker.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    gone, status = os.wait()
    if not asked:
        # One failed. Whoever was asked already must not be asked twice: that would cut its farewells short.
        pass_on(signal.SIGTERM, None)
    codes = [os.waitstatus_to_exitcode(status) if worker.pid == gone else worker.wait() for worker in workers]
    return max(map(abs, codes))
