"""A user's own log, for evaluation and tuning: two files, read as ``penchant import`` reads them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penchant_adapters import contract
from penchant_adapters.settings import Settings
from penchant_core.errors import InvalidField, InvalidSetting
from penchant_relevance.log import Log, log_of, moments

from penchant_cli.importing.checking import Kind, read_events, read_items
from penchant_cli.importing.errors import FileRefused
from penchant_cli.importing.options import Options


@dataclass(frozen=True)
class LogFiles:
    """Where a log stands, and how it is to be read."""

    items: Path
    events: Path
    items_options: Options
    events_options: Options

    @property
    def order_only(self) -> bool:
        """Whether the events have an order but no times, by an option or by the preset."""
        return self.events_options.order_only

    def read(self, tell: Callable[[str], None] = lambda _: None) -> Log:
        """Return the log; *tell* hears what is left out. Raises ``InvalidSetting`` with the file and what is wrong."""
        weights = Settings.read().tuning.weights
        with named("items", self.items):
            items = [contract.item(message) for message in read_items(self.items, self.items_options)]
        with named("events", self.events):
            events = [
                contract.event(message, weights, now=_LATEST)
                for message in read_events(self.events, self.events_options)
            ]
        known = {item.item_id for item in items}
        strange = sum(bool(event.item_id) and event.item_id not in known for event in events)
        if strange:
            tell(f"Left out: {strange:,} of {len(events):,} events, on items that {self.items} does not have.")
        # Numbers of the moments belong to the events in their own order; the log sorts both.
        return log_of(self.events.name.partition(".")[0], items, events, moments(events))


@contextmanager
def named(kind: Kind, path: Path | None = None) -> Iterator[None]:
    """Turn what is wrong with a file, or with how it is read, into what is wrong with the log."""
    try:
        yield
    except (FileRefused, InvalidField) as error:
        # The import has one file and one --map.
        said = str(error).replace("--map ", f"--map-{kind} ")
        said = said if path is None or said.startswith(str(path)) else f"{path}: {said}"
        raise InvalidSetting(said, field="log") from error


_LATEST = 2**53
"""Milliseconds: the files' own times count, whatever the clock says."""
