"""``penchant up``: the whole service in one process."""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from penchant_core.errors import PenchantError
from rich.console import Console


def up_command(
    listen: Annotated[str | None, typer.Option(help="Address to serve on; port 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the store, made on first use.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Model that reads texts: builtin: or hf:NAME_OR_PATH (extra penchant\\[torch]).")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Run the service: gRPC server, embedded store and encoder in one process.

    Everything else is a setting; see `penchant config`. Stop it with Ctrl-C: what was acknowledged is kept.
    """
    from penchant_server.app import serve  # noqa: PLC0415 the server is slow to import and not always installed
    from penchant_server.settings import Settings  # noqa: PLC0415

    structlog.configure(
        # A traceback with local variables would put users' words into the log.
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
    )
    try:
        settings = Settings.read(listen=listen, data_dir=data_dir, encoder=encoder)
        _run(serve(settings))
    except PenchantError as error:
        Console(stderr=True).print(f"[red]{error}[/]", highlight=False)
        raise typer.Exit(2) from error


def _run(service: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 not on Windows
    except ModuleNotFoundError:
        asyncio.run(service)
    else:
        uvloop.run(service)
