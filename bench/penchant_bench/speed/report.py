"""Figures of speed as text: for the terminal's table and for the page of results."""

from collections.abc import Iterator, Mapping
from typing import Any

from penchant_bench.speed.figure import Figure

PICTURES = {"growth": "growth.svg", "catchup": "catchup.svg"}
"""Measurement → the picture beside the page of results, drawn by ``penchant bench NAME --plot``."""


def cells(figure: Figure) -> tuple[str, str, str, str]:
    """Return a figure's value, limit, ratio and aim; what is not there is empty."""
    ratio = figure.ratio
    return (
        f"{number(figure.value)} {figure.unit}",
        "" if figure.limit is None else number(figure.limit),
        "" if ratio is None else f"{ratio:.2f}",
        _aim(figure),
    )


def number(value: float) -> str:
    """Return a number with three digits that count, and no fewer than its whole part has."""
    if value == 0.0 or abs(value) >= 100.0:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _aim(figure: Figure) -> str:
    sign = "≥" if figure.more_is_better else "≤"
    aims = [] if figure.aim is None else [f"{sign} {number(figure.aim)}"]
    if figure.ratio_aim is not None:
        aims.append(f"{sign} {figure.ratio_aim:g} × limit")
    return ", ".join(aims)


def rendered(measurement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of one measurement's file, whose kind is ``speed``."""
    found = {label: Figure.from_json(plain) for label, plain in measurement["figures"].items()}
    yield f"### {measurement['name']}"
    yield ""
    if picture := PICTURES.get(measurement["name"]):
        yield f"![{measurement['name']}]({picture})"
        yield ""
    yield "| | value | limit | value ÷ limit | aim | |"
    yield "|---|--:|--:|--:|--:|---|"
    for label, figure in found.items():
        verdict = {True: "reached", False: "**missed**", None: ""}[figure.reached]
        yield f"| {label} | {' | '.join(cells(figure))} | {verdict} |"
    yield ""
    limits = dict.fromkeys(figure.limit_is for figure in found.values() if figure.limit_is)
    if limits:
        yield f"Limits, taken in the same run: {'; '.join(limits)}."
        yield ""
    settings, machine = measurement["settings"], measurement["machine"]
    if note := settings.get("note"):
        yield note
        yield ""
    yield (
        f"{measurement['when']}, {machine['cores']} cores, load {settings['load_before']} before, "
        f"{settings['took_seconds']} s{', quick: these figures mean little' if settings['quick'] else ''}."
    )
    yield ""
