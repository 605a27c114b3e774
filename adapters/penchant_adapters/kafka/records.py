"""What consumers tell each other and the servers: the values of the internal topics, JSON with a version.

* ``pairs``: what events add to items, from the user stage to the item stage; in the partition of the items.
* ``interests``: how far each partition of events and items is applied, and whom that concerns; to every server.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from penchant_core.counts import Change
from penchant_core.errors import PenchantError
from penchant_core.log import NOTHING, Told
from penchant_core.model import Event
from penchant_core.text import shorten

VERSION = 1
RECORD_BYTES = 256 << 10
"""Size above which a value is cut in two."""


class StrangeRecord(PenchantError):
    """A record of an internal topic cannot be read: somebody else writes there, or a newer version did."""

    reason = "STRANGE_RECORD"


def pairs_values(news: Sequence[Told]) -> list[bytes]:
    """Return the values that tell *news*, all of one partition of the events, in their order."""
    if not news:
        return []
    rows = [
        (one.offset, one.item_id, *one.change.sums, [*one.change.sources], [*one.change.sources.values()])
        for one in news
    ]
    head = b'{"v":%d,"p":%d,"t":' % (VERSION, news[0].partition)
    return [head + part + b"}" for part in _cut(rows)]


def told_of(value: bytes) -> list[Told]:
    """Read back what ``pairs_values`` laid out. Raises ``StrangeRecord``."""
    document = _document(value)
    try:
        partition = int(document["p"])
        return [
            Told(partition, offset, item_id, Change(dict(zip(dims, weights, strict=True)), [out, visits]))
            for offset, item_id, out, visits, dims, weights in document["t"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise StrangeRecord(f"a record of the pairs cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Progress:
    """Records of a partition are applied: whoever asks from now on finds them."""

    partition: int
    through: int = NOTHING
    """The offset of the last of them; ``NOTHING`` while more is to be said of the same records."""
    events: Sequence[Event] = ()
    """The newest event of each user whose ledger changed: id, user, type, item, and the beginning of its words."""
    items: Sequence[str] = ()
    """Items that changed."""
    time: int = 0
    """When the newest record was written to the log, in milliseconds; 0: there was none, it is a reminder."""
    trace: str = ""
    """W3C traceparent of who applied them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A record of ``interests``: its key, so that compaction keeps the latest of each partition, and its value."""

    key: bytes
    value: bytes = field(repr=False)


def notices(topic: str, progress: Progress) -> list[Notice]:
    """Return the records that tell *progress* of the partitions of *topic* (``events`` or ``items``)."""
    key = f"{topic}:{progress.partition}".encode()
    users = [(e.user_id, e.event_id, e.type, e.item_id, shorten(e.text)) for e in progress.events]
    parts = _cut(users if topic == "events" else progress.items)
    common = b'{"v":%d,"topic":"%s","p":%d,"at":%d,"trace":%s' % (
        VERSION,
        topic.encode(),
        progress.partition,
        progress.time,
        orjson.dumps(progress.trace),
    )
    # Only the last says how far, so that nobody takes a part for the whole.
    return [
        Notice(key, common + b',"through":%d,"what":%s}' % (through, part))
        for part, through in zip(parts, [NOTHING] * (len(parts) - 1) + [progress.through], strict=True)
    ]


def progress_of(value: bytes) -> tuple[str, Progress]:
    """Read back a record of ``interests``: the topic and its progress. Raises ``StrangeRecord``."""
    document = _document(value)
    try:
        topic, what = document["topic"], document["what"]
        events = [
            Event(event_id=event_id, user_id=user_id, type=kind, occurred_at=0, item_id=item_id, text=text)
            for user_id, event_id, kind, item_id, text in (what if topic == "events" else ())
        ]
        return topic, Progress(
            partition=int(document["p"]),
            through=int(document["through"]),
            events=events,
            items=what if topic == "items" else (),
            time=int(document["at"]),
            trace=str(document["trace"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StrangeRecord(f"a record of the interests cannot be read: {error}") from error


def _document(value: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise StrangeRecord(f"a record of an internal topic is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise StrangeRecord("a record of an internal topic has another version; run one version of Penchant at a time")
    return document


def _cut(rows: Sequence[Any]) -> list[bytes]:
    """Return rows as JSON lists of ``RECORD_BYTES`` at most, or of a single row."""
    whole = orjson.dumps(rows)
    if len(whole) <= RECORD_BYTES or len(rows) == 1:
        return [whole]
    half = len(rows) // 2
    return _cut(rows[:half]) + _cut(rows[half:])
