"""How a file is to be read and what its columns mean."""

from dataclasses import dataclass, fields
from datetime import date
from hashlib import blake2b
from pathlib import Path

from penchant_cli.importing.records import Rule


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that decides which records come out of a file. The defaults guess from names and content."""

    format: str = ""
    """csv, tsv, jsonl, parquet or sequence (user item item …, parted by white space); empty: by the file's name."""
    encoding: str = ""
    """A Python codec name; empty: UTF-8, undecodable lines as gb18030 or cp1252."""
    delimiter: str = ""
    """One character; empty: the most fitting of comma, semicolon, tab and bar."""
    header: bool = True
    """False: the first line is data and columns are called 1, 2, 3 …"""
    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of field and column. ``a+b`` joins two columns; ``=words`` is a constant."""
    type: str = ""
    """The type of every event of a file that has no column for it."""
    rating_scale: tuple[float, float] = (0.0, 5.0)
    """Lowest and highest value of rate and review events, mapped linearly onto 0–5."""
    truncate: bool = False
    """True cuts words that are too long instead of dropping the record."""
    order_only: bool = False
    """True: the file has no times; each user's events follow each other at one a day, the last one on *until*."""
    until: date | None = None
    """The day of the last event with *order_only*; None: today, UTC."""
    time_format: str = ""
    """A ``strptime`` format; empty: unix seconds to nanoseconds, ISO 8601 and a few unmistakable others."""
    timezone: str = "UTC"
    """IANA name of the zone of times that do not name one."""
    max_bad: float = 0.05
    """The share of bad records, 0–1, above which the whole file is refused."""
    images: Path | None = None
    """A folder with pictures named like the items."""
    rule: Rule | None = None
    """A preset's own step before the mapping."""
    added: tuple[str, ...] = ()
    """Columns that *rule* adds."""

    def fingerprint(self) -> str:
        """Return a name for these options: equal when and only when the same records come out of the same file."""
        names = [f.name for f in fields(self) if f.name not in ("max_bad", "rule")]
        rule = self.rule.__qualname__ if self.rule else ""
        content = repr([(name, getattr(self, name)) for name in names] + [("rule", rule)])
        return blake2b(content.encode(), digest_size=16).hexdigest()
