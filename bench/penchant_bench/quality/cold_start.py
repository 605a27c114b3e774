"""Figures of a cold start as rows: for the terminal's table and for the page of results."""

from collections.abc import Iterator, Mapping
from typing import Any

from penchant_bench.quality.cells import asked, cell, measures


def rows(cold: Mapping[str, Any]) -> list[list[str]]:
    """Return the head, then the main measure of each model by the number of known events."""
    by_known = cold["figures"]
    first = next(iter(by_known.values()))
    measure = measures(first)[0]
    head = [measure, *(f"{known} known" for known in by_known)]
    return [head, *([model, *(cell(found[model][measure]) for found in by_known.values())] for model in first)]


def rendered(cold: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of a measurement's cold start."""
    first = next(iter(cold["figures"].values()))
    yield (
        f"Cold start: {asked(first)} of whom {cold['least_known']} events and more are known, "
        "answered with no more than the newest of them."
    )
    head, *body = rows(cold)
    yield from ("", f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}")
    for model, *cells in body:
        yield f"| {model} | {' | '.join(cells)} |"
    yield ""
