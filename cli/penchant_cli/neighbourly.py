"""What commands on Kafka have in common: settings in, errors told in a line, exit codes out."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import typer
from rich.console import Console

if TYPE_CHECKING:
    from penchant_adapters.settings_groups import KafkaSettings

Answer = TypeVar("Answer")

EXIT_DIFFERENT, EXIT_FAILED = 1, 2


def leave_output_to_the_answer() -> None:
    """Log to the standard error, and without aiokafka's own words on failures, which would stand beside ours."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def asked(work: "Callable[[KafkaSettings], Coroutine[Any, Any, Answer]]", *, patient: bool = False) -> Answer:
    """Read the settings, do the work, return its answer; tell an error and leave with 2.

    A *patient* command waits for brokers that cannot be reached yet, for ``start_timeout`` seconds at most.
    """
    from penchant_adapters.kafka.connection import connected_with_patience, probe  # noqa: PLC0415 not always installed
    from penchant_adapters.settings import Settings  # noqa: PLC0415
    from penchant_core.errors import PenchantError  # noqa: PLC0415

    leave_output_to_the_answer()

    async def work_when_connected() -> Answer:
        settings = Settings.read().kafka
        await (connected_with_patience(settings) if patient else probe(settings))
        return await work(settings)

    try:
        return asyncio.run(work_when_connected())
    except PenchantError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_FAILED) from error
