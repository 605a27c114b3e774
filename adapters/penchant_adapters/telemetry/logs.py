"""How lines of the log are written: for people or as JSON, and never with a user's id or words in them."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import Processor, WrappedLogger

from penchant_adapters.settings_groups import TelemetrySettings

PRIVATE = frozenset(
    {"user_id", "user", "session_id", "users", "user_ids", "text", "texts", "words", "query", "key", "value", "record"}
)
"""Names of values that are left out: whoever logs them by mistake tells nobody."""
LONGEST = 500
"""Characters of a value; a longer one is cut."""
LONGEST_TRACE = 8_000
"""Characters of a traceback; of a longer one the end is kept, which tells the error."""
_LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configured(settings: TelemetrySettings, *, piped: Literal["console", "json"] = "json") -> None:
    """Write all lines of this process, the libraries' too, to the standard output as *settings* say.

    ``auto`` is the console's format on a terminal and *piped* elsewhere.
    """
    style = settings.log_format
    if style == "auto":
        style = "console" if sys.stdout.isatty() else piped
    level = _LEVELS[settings.log_level]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        without_private,
    ]
    structlog.configure(
        processors=[*shared, *_rendering(style)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    foreign = logging.StreamHandler(sys.stdout)
    foreign.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(style)],
        )
    )
    # Libraries say a lot at INFO, some of it with keys of records in it.
    logging.basicConfig(handlers=[foreign], level=max(level, logging.WARNING), force=True)
    logging.captureWarnings(capture=True)


def without_private(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out what tells of a user, and cut what is long."""
    del logger, method
    for name in [name for name in event if name in PRIVATE]:
        del event[name]
    for name, value in event.items():
        if isinstance(value, bytes):
            event[name] = f"{len(value)} bytes"
        elif isinstance(value, str) and len(value) > LONGEST:
            event[name] = f"{value[:LONGEST]}… ({len(value):,} characters)"
    return event


def _rendering(style: str) -> list[Processor]:
    # A traceback with local variables would put users' words into the log; both of these have none.
    if style == "json":
        return [structlog.processors.format_exc_info, _cut_trace, structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]


def _cut_trace(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    del logger, method
    trace = event.get("exception")
    if isinstance(trace, str) and len(trace) > LONGEST_TRACE:
        event["exception"] = f"…{trace[-LONGEST_TRACE:]}"
    return event
