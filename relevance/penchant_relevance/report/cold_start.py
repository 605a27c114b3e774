"""The section of a report on what lists are worth to somebody of whom little is known."""

from collections.abc import Iterator, Mapping
from typing import Any

from penchant_relevance.evaluation import OURS
from penchant_relevance.report.charts import Series, figure, short, steps
from penchant_relevance.report.reading import Variant, tone
from penchant_relevance.report.tables import Row, estimate, lead, table


def section(cold: Mapping[str, Any]) -> Iterator[str]:
    """Yield the section, a chart and a table, of what ``cold_start`` returned."""
    by_known = {known: Variant(known, models) for known, models in cold["figures"].items()}
    fullest = list(by_known.values())[-1]
    measure, models = fullest.main, fullest.order
    yield "<section><h2>When little is known of a user</h2>"
    yield (
        f"<p>{fullest.ours['asks']:,} asks of {fullest.ours['users']:,} users of whom {cold['least_known']} events or "
        "more are known, each answered several times: with nothing that the user did, and with the newest events only. "
        "What was met stays hidden.</p>"
    )
    series = [Series(name, [one.models[name][measure] for one in by_known.values()], tone(name)) for name in models]
    caption = f"{measure} by how many of the user's newest events are known; whiskers: 95 % intervals."
    told = "; ".join(
        f"{one.label}: "
        + ", ".join(f"{n} known {short(e['mean'])}" for n, e in zip(by_known, one.estimates, strict=True))
        for one in series
    )
    yield figure("cold", f"{caption} {told}", caption, steps(list(by_known), series, "events known"))
    body: list[Row] = [[name, *(estimate(one.models[name][measure]) for one in by_known.values())] for name in models]
    head = [f"{known} known" for known in by_known]
    yield table(f"{measure} by events known, with 95 % intervals", ["model", *head], body, strong=OURS)
    leads: list[Row] = [
        [name, *(lead(found) if (found := one.lead(name)) else "–" for one in by_known.values())]
        for name in models
        if name != OURS
    ]
    yield table("How far Penchant is ahead, over the same users", ["against", *head], leads)
    yield "</section>"
