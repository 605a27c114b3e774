"""What became of a file's records, for people and for programs."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penchant_core.text import shorten
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_LINES_SHOWN = 5
_EXAMPLE_CHARACTERS = 60


@dataclass(slots=True)
class Tally:
    """How often something happened, and where first."""

    count: int = 0
    lines: list[int] = field(default_factory=list)
    example: str = ""

    def add(self, line: int, example: object) -> None:
        """Count one more, at *line*."""
        self.count += 1
        if len(self.lines) < _LINES_SHOWN:
            self.lines.append(line)
        if not self.example:
            self.example = shorten(ascii_safe(example), _EXAMPLE_CHARACTERS)


@dataclass(slots=True)
class Report:
    """Counts of one import. ``read = accepted + bad + skipped + duplicates``."""

    file: str
    kind: str
    """``items`` or ``events``."""
    format: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    """By field, the column it comes from."""
    unused: list[str] = field(default_factory=list)
    """Columns that nothing was made of."""
    read: int = 0
    accepted: int = 0
    bad: dict[str, Tally] = field(default_factory=dict)
    """Dropped for breaking a limit, by reason."""
    skipped: dict[str, Tally] = field(default_factory=dict)
    """Left out on purpose by the preset, by reason."""
    duplicates: Tally = field(default_factory=Tally)
    """Same item_id again (the last one stays), or the same event again (the first one stays)."""
    notes: Counter[str] = field(default_factory=Counter)
    """What was mended on the way."""
    refused: dict[str, Tally] = field(default_factory=dict)
    """Refused by the service, by its message."""

    @property
    def bad_count(self) -> int:
        """Bad records."""
        return sum(tally.count for tally in self.bad.values())

    def refusal(self, max_bad: float) -> str:
        """Return why nothing of the file may be sent, or nothing when it may."""
        if self.bad_count > max_bad * self.read:
            share = self.bad_count / self.read
            return (
                f"{self.bad_count:,} of {self.read:,} records are bad ({share:.1%}, more than --max-bad {max_bad:.1%})"
            )
        return "" if self.accepted else f"no record is left to send of {self.read:,} read"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "file": self.file,
            "kind": self.kind,
            "format": self.format,
            "columns": self.columns,
            "unused_columns": self.unused,
            "read": self.read,
            "accepted": self.accepted,
            "bad": _plain(self.bad),
            "skipped": _plain(self.skipped),
            "duplicates": _plain({"duplicates": self.duplicates})["duplicates"],
            "mended": dict(self.notes),
            "refused_by_service": _plain(self.refused),
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(self.as_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """Print the report: one line of columns, one table, what was mended."""
        mapping = ", ".join(f"{name} ← {column}" for name, column in self.columns.items())
        console.print(escape(f"{self.file}: {self.format}; {mapping}"), highlight=False, soft_wrap=True)
        if self.unused:
            console.print(escape(f"columns not used: {', '.join(self.unused)}"), highlight=False, soft_wrap=True)
        table = Table(
            "what became of them", "records", "first lines", "example", title=f"{self.read:,} {self.kind} read"
        )
        table.columns[1].justify = "right"
        table.add_row("accepted", f"{self.accepted:,}")
        for kind, tallies in (("bad", self.bad), ("left out", self.skipped), ("refused by the service", self.refused)):
            for reason, tally in sorted(tallies.items(), key=lambda pair: -pair[1].count):
                _add_row(table, f"{kind}: {reason}", tally)
        if self.duplicates.count:
            rule = "same item_id again, the last one stays" if self.kind == "items" else "the same event again"
            _add_row(table, f"duplicate: {rule}", self.duplicates)
        console.print(table)
        for note, count in self.notes.items():
            console.print(escape(f"{note}: {count:,}"), highlight=False)


def ascii_safe(value: object) -> str:
    """Return *value* in words that any terminal and any JSON file can take."""
    return str(value).encode(errors="backslashreplace").decode()


def _plain(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {name: {"count": t.count, "lines": t.lines, "example": t.example} for name, t in tallies.items()}


def _add_row(table: Table, label: str, tally: Tally) -> None:
    lines = ", ".join(map(str, tally.lines)) + (" …" if tally.count > len(tally.lines) else "")
    table.add_row(escape(label), f"{tally.count:,}", lines, escape(tally.example))
