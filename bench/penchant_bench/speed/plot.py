"""Curves as SVG files, the same bytes for the same figures."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from penchant_bench.speed.catching import Moment
    from penchant_bench.speed.growth import Point

_STYLE: Any = {
    "svg.hashsalt": "penchant",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.marker": "o",
    "lines.markersize": 4,
    "axes.prop_cycle": cycler(color=["#1b6ca8", "#d1495b", "#6b7a8f"]),
}


def draw(points: Sequence["Point"], path: Path) -> None:
    """Draw what a growing catalogue takes, at least two sizes, into an SVG file."""
    panels = (
        ("Recommend, ms", {"p50": "p50", "p99": "p99", "engine alone": "engine"}),
        ("memory, MiB", {"resident": "memory"}),
        ("disk, MiB", {"allocated": "disk"}),
        ("start to first list, s", {"warm files": "start"}),
    )
    with mpl.rc_context(_STYLE):
        page = Figure(figsize=(9.0, 5.2), layout="constrained")
        for axes, (title, curves) in zip(page.subplots(2, 2).flat, panels, strict=True):
            for label, name in curves.items():
                axes.plot([p.items for p in points], [getattr(p, name) for p in points], label=label)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_xticks([p.items for p in points], [f"{p.items / 1000:g}k" for p in points], minor=False)
            axes.set_xticks([], minor=True)
            axes.set_title(title, loc="left", fontsize=10)
            axes.set_xlabel("items")
            if len(curves) > 1:
                axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        page.savefig(path, format="svg", metadata={"Date": None})


def draw_catching_up(moments: Sequence["Moment"], path: Path) -> None:
    """Draw how a consumer caught up, at least three moments, into an SVG file."""
    # A tenth of a second holds a batch or none: the rate is over longer steps.
    steps = moments[:: max(1, len(moments) // 100)]
    begin = moments[0].at
    spans = [(a, b) for a, b in pairwise(steps) if b.at > a.at]
    with mpl.rc_context(_STYLE | {"lines.marker": ""}):
        page = Figure(figsize=(9.0, 2.8), layout="constrained")
        rate, memory = page.subplots(1, 2)
        rate.plot([b.at - begin for _, b in spans], [(b.events - a.events) / (b.at - a.at) for a, b in spans])
        rate.set_title("events learnt a second", loc="left", fontsize=10)
        memory.plot([one.at - begin for one in steps], [one.memory / 2**20 for one in steps])
        memory.set_title("memory of the consumer, MiB", loc="left", fontsize=10)
        for axes in (rate, memory):
            axes.set_ylim(bottom=0)
            axes.set_xlabel("seconds")
        path.parent.mkdir(parents=True, exist_ok=True)
        page.savefig(path, format="svg", metadata={"Date": None})
