"""The measurements run from end to end on a real service. What they find is nobody's promise, so it is not asserted."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from penchant_bench.neighbours.jars import NotHere, jars, program
from penchant_bench.neighbours.kafka import ARTIFACTS

from tests.kafka import NEEDED


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("freshness", {"item p50", "item, busy p99", "new words p50", "new words, busy p99"}),
        (
            "recommend",
            {
                "engine per list",
                "Recommend, 8 at once",
                "Recommend, 1 at once p99",
                "Recommend, 1 at once, with weights",
                "push",
            },
        ),
    ],
)
def test_a_quick_measurement_writes_figures(name: str, some: set[str], tmp_path: Path) -> None:
    assert_measured(name, some, tmp_path)


def test_the_runtime_is_measured_beside_others_and_the_bare_network(tmp_path: Path) -> None:
    found = assert_measured(
        "encoding", {"mixed: float32 ÷ sentence-transformers", "a search during a bulk p99"}, tmp_path
    )
    assert "GPU" in found["settings"]["note"]
    for kind in ("short", "product", "review", "mixed"):
        assert found["figures"][f"{kind}: cosine, float32"]["value"] > 0.9999


def test_what_stages_of_a_list_cost_is_told_in_processor_time_and_in_money(tmp_path: Path) -> None:
    stages = {"encoding words", "reading interests", "searching by counts", "list", "list over gRPC", "engine alone"}
    found = assert_measured("cost", stages | {"list with a sequence model"}, tmp_path, "--hourly", "3.6")
    figures = found["figures"]
    assert found["settings"]["hourly"] == 3.6
    for stage in stages:
        assert figures[f"money, {stage}"]["value"] == pytest.approx(figures[stage]["value"] * 0.001)
    assert figures["list"]["limit"] == figures["engine alone"]["value"] < figures["list over gRPC"]["limit"]


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("push", {"quiet p50", "quiet p99", "200 other events/s p99", "limit, two round trips p50"}),
        ("cluster_footprint", {"memory of the server, idle", "disk per user, 1,000 users of 20 events"}),
    ],
)
def test_a_quick_measurement_of_a_cluster_writes_figures(name: str, some: set[str], tmp_path: Path) -> None:
    try:
        program("java")
        jars("kafka", *ARTIFACTS)
    except NotHere as missing:
        if os.environ.get(NEEDED):
            raise
        pytest.skip(str(missing))
    found = assert_measured(name, some, tmp_path)
    assert "Kafka" in found["settings"]["note"]


def assert_measured(name: str, some: set[str], tmp_path: Path, *more: str) -> dict[str, Any]:
    """Run a measurement; return its file."""
    penchant = Path(sys.executable).with_name("penchant")
    ended = subprocess.run(
        [penchant, "bench", name, "--quick", "--items", "150", "--json", tmp_path / "found.json", *more],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
    assert (found["name"], found["kind"], found["settings"]["quick"]) == (name, "speed", True)
    assert some <= set(found["figures"])
    for label, figure in found["figures"].items():
        for key in {"value", "limit", "ratio"} & set(figure):
            assert math.isfinite(figure[key]), label
            # Memory may well stay as it was, and reasons cost less than a busy machine adds by chance.
            assert figure[key] > 0.0 or (figure[key] == 0.0 and ("growth" in label or "explaining" in label)), label
    return found


def test_a_measurement_that_there_is_not_names_those_there_are() -> None:
    penchant = Path(sys.executable).with_name("penchant")
    ended = subprocess.run([penchant, "bench", "vibes"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "freshness" in ended.stderr
