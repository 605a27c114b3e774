"""Every command and every example of the documentation runs as it is printed, against a real service."""

import asyncio
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from penchant_adapters.profiles import read_profile
from penchant_adapters.settings import Settings
from penchant_bench.quality import studies
from penchant_cli.app import app
from typer.testing import CliRunner

from tests.cluster import Cluster
from tests.encoder_models import write_tiny_encoder
from tests.integration.conftest import Start, Up
from tests.tiny_models import tiny_model

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "127.0.0.1:50551"
PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
CLUSTER = ("topics", "consume", "serve", "dlq")
"""Commands that need Kafka."""
MEASURING = ("eval", "train", "tune", "compress", "encode")
"""Commands that read files and need no service."""
RUNNING = {"consume": "partitions assigned", "serve": "serving"}
"""Commands that go on running, and what they say when they do."""
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith(f"$ {program} ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of."""
    here = tmp_path_factory.mktemp("docs")
    rows = "".join(
        f"item-{n},{title}\n" for n, title in enumerate(["Red apples", "香蕉", "Trail shoes", "Green pears"])
    )
    (here / "catalogue.csv").write_text("item_id,title\n" + rows)
    (here / "products.csv").write_text("product_id,name\n" + rows)
    clicks = [{"user_id": "mei", "type": "view", "item_id": "item-0", "timestamp": 1_790_000_000 + n} for n in range(3)]
    for name in ("history.jsonl.gz", "clicks.jsonl.gz"):
        with gzip.open(here / name, "wt") as file:
            file.writelines(json.dumps(click) + "\n" for click in clicks)
    orders = {"user_id": ["mei"], "item_id": ["item-1"], "ordered_on": ["2026-10-01 12:00:00"]}
    pq.write_table(pa.table(orders), here / "orders.parquet")
    things = ("tea", "lamp", "boots", "atlas", "piano")
    titles = [f"{colour} {thing}" for thing in things for colour in ("red", "blue", "green", "old")]
    (here / "items.csv").write_text("item_id,title\n" + "".join(f"i{n},{title}\n" for n, title in enumerate(titles)))
    # Twelve users walk along the shelf, each from a place of their own, an hour a step.
    steps = [
        (user, (5 * user + step) % 20, 1_700_000_000 + 3600 * step + user) for step in range(14) for user in range(12)
    ]
    lines = "".join(f"u{user},i{item},{time}\n" for user, item, time in steps)
    (here / "purchases.csv").write_text("user_id,item_id,timestamp\n" + lines)
    write_tiny_encoder(here / "models" / "small", {word for title in titles for word in title.split()})
    return here


@pytest.fixture
def running(up: Start, tmp_path: Path) -> Up:
    return up(tmp_path / "store")


def run(arguments: list[str], folder: Path, address: str = "") -> str:
    environment = {**os.environ, "PENCHANT_TARGET": address, "NO_COLOR": "1"}
    environment |= {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def penchant() -> str:
    found = shutil.which("penchant", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("the console script penchant is not installed beside this Python")
    return found


def test_the_commands_that_talk_to_a_service_run_in_the_order_of_the_pages(running: Up, folder: Path) -> None:
    elsewhere = ("up", "models", *CLUSTER, *MEASURING)
    talking = [line for line in commands("penchant") if line.split()[1] not in elsewhere]
    assert len(talking) >= 10
    for line in talking:
        printed = run([penchant(), *shlex.split(line)[1:]], folder, running.address)
        assert printed.strip(), line


def test_the_commands_that_roll_out_a_model_run_in_the_order_of_the_page(
    running: Up, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENCHANT_DATA_DIR", str(tmp_path / "store"))
    encoder = tiny_model(tmp_path / "tiny")
    lines = [line for line in commands("penchant") if line.split()[1] == "models"]
    assert {line.split()[2] for line in lines} == {"list", "add", "shadow", "promote", "rollback", "remove"}
    for line in lines:
        words = shlex.split(line.replace("hf:better-encoder", encoder))[1:]
        assert run([penchant(), *words], folder, running.address).strip(), line
    wrong = subprocess.run(
        [penchant(), "models", "promote", "another", "--target", running.address],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert wrong.returncode == 1
    assert "is none of the models of this service" in wrong.stderr


def test_the_commands_that_measure_run_on_files(folder: Path) -> None:
    measuring = [line for line in commands("penchant") if line.split()[1] in MEASURING]
    assert len(measuring) >= 3
    for line in measuring:
        words = shlex.split(line)[1:]
        printed = run([penchant(), *words], folder)
        assert printed.strip() or "--out" in words, line
        for option in ("--html", "--json", "--out"):
            # A folder is for a model, which is written only where it gains something.
            if option in words and Path(words[words.index(option) + 1]).suffix:
                assert (folder / words[words.index(option) + 1]).stat().st_size > 1_000, line


def test_what_the_page_on_relevance_names_is_there() -> None:
    page = (ROOT / "docs" / "relevance.md").read_text()
    told = "".join(
        CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command.split(), "--help"]).output
        for command in ("eval", "tune", "train together", "train sequence", "train encoder")
    )
    # Options of other commands are not spoken of.
    assert set(re.findall(r"`(--[a-z-]+)", page)) <= set(re.findall(r"--[a-z-]+", told))
    named = set(re.findall(r"`penchant eval (\w+)`", page))
    assert named == set(studies.public_sets())


async def test_the_commands_of_a_cluster_run_in_the_order_of_the_pages(cluster: Cluster) -> None:
    lines = [line for line in commands("penchant") if line.split()[1] in CLUSTER]
    assert {line.split()[1] for line in lines} == set(CLUSTER)
    for line in lines:
        words = shlex.split(line.replace(ADDRESS, "127.0.0.1:0"))[1:]
        if words[0] in RUNNING:
            await asyncio.to_thread(cluster.start(penchant(), *words).said, RUNNING[words[0]])
            await cluster.made()
        else:
            assert (await asyncio.to_thread(cluster.run, *words)).strip(), line


def test_the_command_that_starts_a_service_starts_one(tmp_path: Path) -> None:
    (line,) = [line for line in commands("penchant") if line.startswith("penchant up")]
    arguments = shlex.split(line.replace(ADDRESS, "127.0.0.1:0"))[1:]
    with subprocess.Popen([penchant(), *arguments], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert any("serving" in said for said in service.stdout)
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0


def test_the_examples_in_python_run(running: Up, folder: Path) -> None:
    (example,) = blocks("README.md", "python")
    assert len(example.strip().splitlines()) <= 10
    printed = run([sys.executable, "-c", example.replace(ADDRESS, running.address)], folder)
    first, second, *_ = printed.splitlines()
    assert "香蕉" in first
    assert "苹果" in second


def test_make_has_the_targets_that_the_pages_name() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {shlex.split(line)[1] for line in commands("make")}
    assert named
    assert named <= targets


def test_the_settings_file_and_the_profile_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example, profile, exploring = blocks("docs/operating.md", "toml")
    file = tmp_path / "penchant.toml"
    file.write_text(example)
    monkeypatch.setenv("PENCHANT_CONFIG", str(file))
    settings = Settings.read()
    assert settings.tuning.weights.known("share")
    assert settings.scoring.balance == 0.2
    file.write_text(exploring)
    assert Settings.read().scoring.explore == 0.1
    (tmp_path / "calm.toml").write_text(profile)
    assert read_profile(tmp_path / "calm.toml", settings.tuning).weights.by_type["view"] == 0.2


def test_grpcurl_lists_and_calls_the_service_by_reflection(running: Up, folder: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("Go is not here to build grpcurl")
    tools = ROOT / ".make" / "tools"
    environment = {**os.environ, "GOBIN": str(tools), "GOFLAGS": "-mod=mod"}
    subprocess.run(["go", "install", GRPCURL], env=environment, check=True, timeout=300, capture_output=True)
    lines = commands("grpcurl")
    assert len(lines) >= 2
    answers = [
        run([str(tools / "grpcurl"), *shlex.split(line.replace(ADDRESS, running.address))[1:]], folder)
        for line in lines
    ]
    assert "penchant.v1.RecommendationService" in answers[0]
    assert "applied" in answers[1]
    assert "a1." in answers[1]


def test_links_between_pages_lead_somewhere() -> None:
    readmes = [
        str(page.relative_to(ROOT))
        for pattern in ("clients/*/README.md", "examples/*/README.md", "tests/*/README.md")
        for page in ROOT.glob(pattern)
    ]
    assert len(readmes) >= 8
    for page in [*PAGES, *readmes, "bench/RESULTS.md", "CONTRIBUTING.md", "CHANGELOG.md"]:
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


def test_every_guarantee_names_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text()
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    promises = re.split(r"^\d+\. ", page.split("## What is not promised")[0], flags=re.MULTILINE)[1:]
    assert len(promises) >= 38
    for promise in promises:
        named = set(re.findall(r"`(test_\w+)`", promise))
        assert named, promise
        assert named <= there, named - there
