"""Figures of a cold start as rows: for the terminal's table and for the page of results."""

from collections.abc import Iterator, Mapping
from typing import Any

from penchant_bench.quality.cells import asked, cell, measures


def rows(cold: Mapping[str, Any]) -> list[list[str]]:
    """Return the head, then the main measure of each model by the number of known events."""
    by_known = cold["figures"]
    models = list(next(iter(by_known.values())))
    measure = measures(by_known[next(iter(by_known))])[0]
    body = [[f"{known} known", *(cell(found[model][measure]) for model in models)] for known, found in by_known.items()]
    return [[measure, *models], *body]


def rendered(cold: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of a measurement's cold start."""
    first = next(iter(cold["figures"].values()))
    yield (
        f"Cold start: {asked(first)} of whom {cold['least_known']} events and more are known, "
        "answered with no more than the newest of them."
    )
    head, *body = rows(cold)
    yield from ("", f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}")
    yield from (f"| {' | '.join(row)} |" for row in body)
    yield ""
