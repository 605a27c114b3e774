"""Writes ``bench/RESULTS.md`` from the figures in ``bench/results/*.json``, so that no number is typed by hand."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from penchant_bench.quality.report import compressed, judged, tuned
from penchant_bench.quality.report import rendered as quality
from penchant_bench.speed.report import rendered as speed

Renderer = Callable[[Mapping[str, Any]], Iterator[str]]

SECTIONS: Mapping[str, tuple[str, Renderer]] = {
    "quality": ("Quality", quality),
    "tune": ("Tuning", tuned),
    "encoder": ("Fine-tuned encoders", judged),
    "sequence": ("Sequence models", judged),
    "together": ("Learned together", judged),
    "compress": ("Smaller models and vectors", compressed),
    "speed": ("Speed", speed),
}
"""Kind of measurement → title of its section and what renders one measurement; sections in this order."""
BENCH = Path(__file__).resolve().parent.parent


def page(folder: Path) -> str:
    """Return the Markdown page of all measurements in *folder*. Raises ``KeyError`` for a kind nobody renders."""
    measurements = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        measurement = orjson.loads(path.read_bytes())
        measurements[SECTIONS[measurement["kind"]][0]].append(measurement)
    lines = [
        "# Results",
        "",
        "Rendered by `python -m penchant_bench.report` from the figures in `bench/results/`; do not edit.",
        "",
    ]
    for title, render in SECTIONS.values():
        if measurements[title]:
            lines += [f"## {title}", ""]
        for measurement in measurements[title]:
            lines += render(measurement)
    return "\n".join(lines).rstrip() + "\n"


def report(
    results: Annotated[Path, typer.Option(help="Folder of the figures.")] = BENCH / "results",
    output: Annotated[Path, typer.Option(help="Page to write.")] = BENCH / "RESULTS.md",
) -> None:
    """Render the page of results."""
    output.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    typer.run(report)
