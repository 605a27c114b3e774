"""Every client whose tools are on this machine, against every case; and bugs that are planted are found."""

import math
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from penchant_bench.neighbours.drivers import ROOT, Failed, Language, languages, told
from penchant_bench.speed import clients
from penchant_bench.speed.figure import Options

from tests.conformance.planted import BUGS
from tests.conformance.player import Service, cases, matched, play

LANGUAGES = {one.name: one for one in languages()}
CASES = {case["name"]: case for case in cases()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Language], Path]:
    """Build a client's driver, once."""
    outs: dict[str, Path] = {}

    def build(language: Language) -> Path:
        if language.missing:
            pytest.skip(f"without {', '.join(language.missing)}")
        if language.name not in outs:
            out = tmp_path_factory.mktemp("drivers")
            told(language.build, language, out)
            outs[language.name] = out
        return outs[language.name]

    return build


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_answers_as_all_do(
    language: str, case: str, built: Callable[[Language], Path], tmp_path: Path
) -> None:
    play(CASES[case], LANGUAGES[language], built(LANGUAGES[language]), tmp_path / "service")


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_that_is_planted_is_found(bug: str, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.conformance.planted", bug)
    planted = replace(LANGUAGES["Python"], folder=ROOT, run=command)
    with pytest.raises(Failed):
        play(CASES[BUGS[bug][1]], planted, tmp_path, tmp_path / "service")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_clients_own_tests_pass(language: str, built: Callable[[Language], Path]) -> None:
    out = built(LANGUAGES[language])
    told(LANGUAGES[language].test, LANGUAGES[language], out)


FIRST = "127.0.0.1:50551"
"""Where first examples look for a service: what ``penchant up`` listens on."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_example_of_a_readme_is_short_and_runs(
    language: str, built: Callable[[Language], Path], tmp_path: Path
) -> None:
    chosen = LANGUAGES[language]
    out = built(chosen)
    readme = (chosen.folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)[\w,]*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    first = next(block for fence, block in blocks if fence != "sh" and FIRST in block)
    said = [
        line for line in first.splitlines() if line.strip(" }") and not line.startswith(("import", "use", "package"))
    ]
    assert len(said) <= 15
    with socket.socket() as taken:
        if taken.connect_ex(("127.0.0.1", 50551)) == 0:
            pytest.skip(f"somebody listens on {FIRST}, where first examples look for a service")
    service = Service(tmp_path, 50551)
    service.start()
    try:
        heard = told([chosen.first or (sys.executable, "-c", first)], chosen, out)
    finally:
        service.end()
    assert re.search(r"\bsocks?\b", heard, re.IGNORECASE)


async def test_what_a_client_costs_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(clients, "languages", lambda: [LANGUAGES["Python"]])
    figures = await clients.measure(Options(items=150, quick=True))
    assert {name.removeprefix("Python: ") for name in figures} == {
        "a list, p50",
        "a list, p99",
        "events",
        "lists",
        "memory growth, last nine tenths of 3 s",
        "memory, streaming",
        "processor for a list",
        "processor for an event",
        "resumes after",
    }
    for name, figure in figures.items():
        assert math.isfinite(figure.value), name
        assert figure.value > 0 or "growth" in name, name


FOUND = {"order": ["a", "b"], "score": 0.5, "error": None}


@pytest.mark.parametrize(
    "wanted",
    [
        {"order": ["a", "b"]},
        {"order": {"$contains": "a", "$count": 2, "$distinct": True, "$lacks": "c"}},
        {"score": {"$number": True, "$above": 0.4, "$at_least": 0.5, "$at_most": 0.5, "$not": 1, "$some": True}},
        {"error": None},
        {},
    ],
)
def test_what_is_wanted_is_found(wanted: Any) -> None:
    matched(FOUND, wanted, "gives")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"order": ["b", "a"]}, r"gives\.order\[0\]: is \"a\", \"b\" is right"),
        ({"order": ["a"]}, r"gives\.order: is"),
        ({"order": {"$contains": "c"}}, r"\$contains"),
        ({"order": {"$lacks": "a"}}, r"\$lacks"),
        ({"order": {"$count": 3}}, r"\$count"),
        ({"score": {"$above": 0.5}}, r"\$above"),
        ({"score": {"$not": 0.5}}, r"\$not"),
        ({"error": {"kind": "NotFound"}}, r"gives\.error\.kind: is not in null"),
        ({"absent": 1}, r"gives\.absent"),
    ],
)
def test_what_is_not_as_wanted_is_told_with_its_place(wanted: Any, says: str) -> None:
    with pytest.raises(Failed, match=says):
        matched(FOUND, wanted, "gives")
