"""The measurements run from end to end on a real service. What they find is nobody's promise, so it is not asserted."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("freshness", {"item p50", "item, busy p99", "new words p50", "new words, busy p99"}),
        ("recommend", {"engine per list", "Recommend, 8 at once", "Recommend, 1 at once p99", "push"}),
    ],
)
def test_a_quick_measurement_writes_figures(name: str, some: set[str], tmp_path: Path) -> None:
    penchant = Path(sys.executable).with_name("penchant")
    ended = subprocess.run(
        [penchant, "bench", name, "--quick", "--items", "150", "--json", tmp_path / "found.json"],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["name"], found["kind"], found["settings"]["quick"]) == (name, "speed", True)
    assert some <= set(found["figures"])
    for label, figure in found["figures"].items():
        for key in {"value", "limit", "ratio"} & set(figure):
            assert math.isfinite(figure[key]), label
            assert figure[key] > 0.0, label


def test_a_measurement_that_there_is_not_names_those_there_are() -> None:
    penchant = Path(sys.executable).with_name("penchant")
    ended = subprocess.run([penchant, "bench", "vibes"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "freshness" in ended.stderr
