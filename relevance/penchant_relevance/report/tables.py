"""Tables of a report; every text is escaped here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from penchant_relevance.report.charts import Estimate
from penchant_relevance.report.reading import verdict


@dataclass(frozen=True)
class Cell:
    """What stands in a table."""

    text: str
    beneath: str = ""
    """Smaller."""
    kind: str = ""
    """Class of the cell; a word of this program, never of a log."""


Row = Sequence[Cell | str]


def table(caption: str, columns: Sequence[str], rows: Iterable[Row], strong: str = "") -> str:
    """Return a table that scrolls by itself where it is too wide; the first column names the rows.

    The row that *strong* names stands out.
    """
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "\n".join(_row(row, strong) for row in rows)
    return (
        f'<div class="wide" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(row: Row, strong: str) -> str:
    name, *cells = (cell if isinstance(cell, Cell) else Cell(cell) for cell in row)
    shown = "".join(map(_cell, cells))
    return f'<tr{" class=ours" if name.text == strong else ""}><th scope="row">{escape(name.text)}</th>{shown}</tr>'


def _cell(cell: Cell) -> str:
    kind = f' class="{cell.kind}"' if cell.kind else ""
    beneath = f"<small>{escape(cell.beneath)}</small>" if cell.beneath else ""
    return f"<td{kind}>{escape(cell.text)}{beneath}</td>"


def estimate(found: Estimate) -> Cell:
    """Return a mean, its interval beneath."""
    return Cell(f"{found['mean']:.4f}", f"{found['low']:.4f} to {found['high']:.4f}")


def lead(found: Estimate) -> Cell:
    """Return a difference and what it says, its interval beneath."""
    said = verdict(found)
    return Cell(f"{signed(found['mean'])} {said}", f"{signed(found['low'])} to {signed(found['high'])}", said)


def signed(value: float) -> str:
    """Return a difference with its sign, a real minus."""
    return f"{value:+.4f}".replace("-", "−")


def settings(document: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    """Return with what an evaluation was made, *chosen* for the baselines included."""
    parts = {
        "Settings": {**document["settings"], "chosen": chosen},
        "Versions": document["versions"],
        "Machine": document["machine"],
    }
    found = "\n".join(table(title, ("name", "value"), _flat(part)) for title, part in parts.items())
    return f"<details><summary>Settings and versions</summary>\n{found}\n</details>"


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", "none" if value is None else str(value)
