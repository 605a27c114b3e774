"""Charts of a report as SVG that stands inside the page: its colours are the page's, so they follow light and dark."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import cycle
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Tone = Literal["ours", "part", "base", "pop"]
Estimate = Mapping[str, float]
"""Mean, low and high."""

_INKS = {name: f"#0a0c{number:02x}" for number, name in enumerate(("ours", "part", "base", "pop", "ink", "grid"), 1)}
"""Colours that nothing else has: each becomes the page's variable of that name."""
_STYLE: Any = {
    "svg.hashsalt": "penchant",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    # A name is a name, not a formula.
    "text.parse_math": False,
    "text.color": _INKS["ink"],
    "axes.prop_cycle": cycler(color=[_INKS["ink"]]),
    "axes.edgecolor": _INKS["grid"],
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _INKS["grid"],
    "grid.linewidth": 0.6,
    "xtick.color": _INKS["grid"],
    "ytick.color": _INKS["grid"],
    "xtick.labelcolor": _INKS["ink"],
    "ytick.labelcolor": _INKS["ink"],
    "legend.frameon": False,
}
_WIDTH = 5.2
"""Inches: what a phone shows without making words too small."""
_LONGEST = 30
"""Letters of a label."""
_WHISKERS: Any = {"elinewidth": 1.1, "capsize": 2.5, "ecolor": _INKS["ink"], "fmt": "none"}


@dataclass(frozen=True)
class Bar:
    """One value with its interval."""

    label: str
    estimate: Estimate
    tone: Tone


@dataclass(frozen=True)
class Series:
    """One model's values, a value for each group."""

    label: str
    estimates: Sequence[Estimate]
    tone: Tone


@dataclass(frozen=True)
class Line:
    """How one value went."""

    label: str
    values: Sequence[float]
    tone: Tone


def figure(key: str, words: str, caption: str, svg: str) -> str:
    """Return a chart as HTML; *words* say what it shows to who cannot see it, *key* is its own on the page."""
    # Two charts of one page must not share an id.
    own = re.sub(r'\bid="', f'id="{key}-', svg)
    own = own.replace("url(#", f"url(#{key}-").replace('href="#', f'href="#{key}-')
    seen = own.replace("<svg ", f'<svg role="img" aria-label="{escape(words)}" ', 1)
    return f"<figure>{seen}<figcaption>{escape(caption)}</figcaption></figure>"


@mpl.rc_context(_STYLE)
def bars(rows: Sequence[Bar]) -> str:
    """Return horizontal bars, the first on top, each with its interval and its value."""
    page, axes = _drawn(0.5 + 0.32 * len(rows))
    for at, row in enumerate(rows):
        axes.barh(at, row.estimate["mean"], height=0.62, color=_INKS[row.tone])
        axes.errorbar(row.estimate["mean"], at, xerr=_reach([row.estimate]), **_WHISKERS)
        # Beyond the interval, where nothing is drawn.
        axes.annotate(
            short(row.estimate["mean"]),
            (max(row.estimate["high"], row.estimate["mean"]), at),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(rows)), [_cut(row.label) for row in rows])
    for row, label in zip(rows, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if row.tone == "ours" else "normal")
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.16 * max(*(row.estimate["high"] for row in rows), 1e-9))
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x")
    axes.tick_params(axis="both", length=0)
    return _svg(page)


@mpl.rc_context(_STYLE)
def groups(names: Sequence[str], below: Sequence[str], series: Sequence[Series]) -> str:
    """Return upright bars side by side for each of *names*; *below* stands under them, smaller."""
    page, axes = _drawn(2.9)
    width = 0.8 / len(series)
    for number, one in enumerate(series):
        places = [at + (number - (len(series) - 1) / 2) * width for at in range(len(names))]
        means = [estimate["mean"] for estimate in one.estimates]
        axes.bar(places, means, width * 0.92, color=_INKS[one.tone], label=_cut(one.label))
        axes.errorbar(places, means, yerr=_reach(one.estimates), **_WHISKERS)
    axes.set_xticks(range(len(names)), names)
    for at, words in enumerate(below):
        axes.annotate(
            words,
            (at, 0.0),
            (0, -18),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
            alpha=0.75,
        )
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y")
    axes.tick_params(axis="both", length=0)
    page.legend(loc="outside upper left", ncols=len(series), fontsize=9, handlelength=1.0, borderaxespad=0.0)
    return _svg(page)


@mpl.rc_context(_STYLE)
def steps(names: Sequence[str], series: Sequence[Series], along: str) -> str:
    """Return lines over *names*, which are evenly apart, each value with its interval; *along* says what names are."""
    page, axes = _drawn(2.9)
    # Models of one tone are told apart by marks and dashes.
    ways = zip(("-", "--", ":", "-."), ("o", "s", "^", "D"), strict=True)
    for number, (one, (line, mark)) in enumerate(zip(series, cycle(ways), strict=False)):
        # Side by side, so that no whisker hides another.
        places = [at + 0.06 * (number - (len(series) - 1) / 2) for at in range(len(names))]
        means = [estimate["mean"] for estimate in one.estimates]
        axes.plot(places, means, line, marker=mark, markersize=4, color=_INKS[one.tone], label=_cut(one.label))
        axes.errorbar(places, means, yerr=_reach(one.estimates), **_WHISKERS)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel(along)
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y")
    axes.tick_params(axis="both", length=0)
    page.legend(loc="outside upper left", ncols=2, fontsize=9, borderaxespad=0.0)
    return _svg(page)


@mpl.rc_context(_STYLE)
def curves(panels: Mapping[str, Sequence[Line]], best: int) -> str:
    """Return lines over epochs from 1, a panel for each name, a mark at the *best* epoch; a picture by itself."""
    page = Figure(figsize=(_WIDTH, 2.4 * len(panels)), layout="constrained")
    for axes, (name, lines) in zip(np.atleast_1d(page.subplots(len(panels), sharex=True)), panels.items(), strict=True):
        for line in lines:
            axes.plot(range(1, len(line.values) + 1), line.values, color=_INKS[line.tone], label=_cut(line.label))
        axes.axvline(best, color=_INKS["grid"], linewidth=1.0, linestyle=":")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        axes.legend(fontsize=9)
    axes.set_xlabel("epoch")
    head, end, rest = _svg(page).partition(">")
    # The page's colours, for a picture that stands in no page.
    palette = style().partition("*")[0].replace(":root", "svg")
    return f"{head}{end}<style>{palette}</style>{rest}"


def style() -> str:
    """Return the style of the page; it begins with the colours."""
    return files("penchant_relevance.report").joinpath("page.css").read_text(encoding="utf-8")


def short(value: float) -> str:
    """Return a measure of 0–1 with three digits that say something."""
    return f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.4f}"  # noqa: PLR2004 a digit more for what is small


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _reach(estimates: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    # The bootstrap's interval need not hold the mean, and whiskers do not point inwards.
    down = [max(0.0, one["mean"] - one["low"]) for one in estimates]
    return down, [max(0.0, one["high"] - one["mean"]) for one in estimates]


def _drawn(height: float) -> tuple[Figure, Axes]:
    page = Figure(figsize=(_WIDTH, height), layout="constrained")
    return page, page.subplots()


def _svg(page: Figure) -> str:
    file = io.StringIO()
    with warnings.catch_warnings():
        # The browser has the letters that matplotlib's own font, by which it measures, may lack.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        page.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    found = file.getvalue()
    # Rules of a chart would be rules of the page; its size is the page's to say.
    found = re.sub(r"<(metadata|style).*?</\1>\s*", "", found[found.index("<svg") :], flags=re.DOTALL)
    head, end, rest = found.partition(">")
    found = re.sub(r'\s+(width|height)="[^"]*"', "", head) + end + rest
    for name, ink in _INKS.items():
        found = found.replace(ink, f"var(--{name})")
    return found
