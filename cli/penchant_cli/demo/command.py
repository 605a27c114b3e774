"""``penchant demo``: options in, exit code out; the work is in ``performance``."""

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Annotated

import penchant
import typer
from penchant_core.errors import OperatorError
from rich.console import Console

from penchant_cli.demo.performance import Performance
from penchant_cli.demo.play import NoPush
from penchant_cli.demo.stage import service

INTERRUPTED = 130
"""Exit code where nobody is expected to interrupt."""


def demo_command(
    once: Annotated[bool, typer.Option("--once", help="Play to the end without pauses, check it, and exit.")] = False,
    pace: Annotated[float, typer.Option(min=0.0, max=60.0, help="Seconds to read a short note.")] = 1.5,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the service's data here; by default it is removed at the end.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Play on a running service; its catalogue gets the demo's items."),
    ] = None,
) -> None:
    """Watch Penchant follow a few shoppers, then take part.

    Starts the whole service on a free port of this machine, loads a small catalogue in English and Chinese, and plays
    a story of some fifty events. With --once, or without a terminal, it prints what it found and exits: 0 when every
    promise was kept, 1 otherwise.
    """
    if target and data_dir:
        raise typer.BadParameter("a running service has its own directory; give --target or --data-dir, not both")
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal and not once
    performance = Performance(console, pace if live else None)
    failure = ""
    try:
        failure = asyncio.run(_perform(performance, console, target, data_dir))
    except (KeyboardInterrupt, asyncio.CancelledError):
        performance.farewell()
        if not live:
            raise typer.Exit(INTERRUPTED) from None
    except OperatorError as error:
        raise _failed(str(error), 2) from error
    except ModuleNotFoundError as error:
        message = f"This needs {error.name}: pip install 'penchant[server]', or play on a running service with --target"
        raise _failed(message, 3) from error
    if failure or performance.broken:
        raise _failed(failure or "\n".join(f"Not kept: {promise.text}" for promise in performance.broken), 1)


async def _perform(performance: Performance, console: Console, target: str | None, data_dir: Path | None) -> str:
    """Return what went wrong on the service; empty when nothing did."""
    _end_as_by_ctrl_c()
    async with AsyncExitStack() as stack:
        if target is None:
            with console.status("Starting the service …"):
                target = await stack.enter_async_context(service(data_dir))
        try:
            await performance.play(target)
        except penchant.Unavailable:
            return f"No service answers at {target}. Start one with: penchant up"
        except (penchant.PenchantError, NoPush) as error:
            return str(error)
    return ""


def _end_as_by_ctrl_c() -> None:
    # A closed window or a polite kill ends the play like Ctrl-C, so that its data is removed then as well.
    loop, play = asyncio.get_running_loop(), asyncio.current_task()
    assert play is not None
    for name in ("SIGTERM", "SIGHUP"):
        with suppress(AttributeError, NotImplementedError):  # Windows
            loop.add_signal_handler(getattr(signal, name), play.cancel)


def _failed(message: str, code: int) -> typer.Exit:
    Console(stderr=True).print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(code)
