"""Where the play takes place: a service of its own, and its catalogue."""

import io
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import penchant
from penchant.v1.catalog_pb2 import Item

BATCH = 27
"""Items loaded at a time, so that a progress bar moves."""


@asynccontextmanager
async def service(data_dir: Path | None) -> AsyncIterator[str]:
    """Run a service on a free port of this machine inside the block and give its address.

    Without *data_dir* its data is removed afterwards. Raises ``OperatorError`` for settings that cannot be and
    ``ModuleNotFoundError`` where the extra ``server`` is not installed.
    """
    from penchant_adapters.settings import Settings  # noqa: PLC0415
    from penchant_server.app import running  # noqa: PLC0415 not always installed

    async with AsyncExitStack() as stack:
        stack.enter_context(_held_back_log())
        if data_dir is None:
            data_dir = Path(stack.enter_context(TemporaryDirectory(prefix="penchant-demo-")))
        settings = Settings.read(listen="127.0.0.1:0", data_dir=data_dir)
        yield (await stack.enter_async_context(running(settings))).address


async def load(client: penchant.aio.Client, catalogue: Sequence[Item], tell: Callable[[int], None]) -> None:
    """Put the catalogue into the service and tell how many items are there."""
    for start in range(0, len(catalogue), BATCH):
        loaded = await client.upsert_items(catalogue[start : start + BATCH])
        if loaded.refused:
            raise loaded.refused[0].error
        tell(start + loaded.accepted)


@contextmanager
def _held_back_log() -> Iterator[None]:
    # A line of the log in the middle of the view would tear it. Warnings appear when the view is gone.
    import structlog  # noqa: PLC0415 not always installed

    held = io.StringIO()
    handler = logging.StreamHandler(held)
    logging.getLogger().addHandler(handler)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(held),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.getLogger().removeHandler(handler)
        sys.stderr.write(held.getvalue())
