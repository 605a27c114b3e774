"""The curves of growth as one SVG file, the same bytes for the same figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

if TYPE_CHECKING:
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
