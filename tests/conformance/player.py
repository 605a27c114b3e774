"""Plays conversations against a living service through a client's driver, and judges what came back."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penchant_bench.neighbours.drivers import ROOT, Driver, Failed, Language, driving
from penchant_bench.neighbours.process import free_port

CASES = Path(__file__).parent / "cases"
CATALOGUE = Path(__file__).parent / "catalogue.json"


def cases() -> list[dict[str, Any]]:
    """Return all cases, each with its name."""
    return [
        {"name": file.stem, **json.loads(file.read_text(encoding="utf-8"))} for file in sorted(CASES.glob("*.json"))
    ]


class Broken(Failed):
    """A client did something that trying again cannot mend."""


class Service:
    """``penchant up`` on one address and one directory, which outlive its deaths.

    A case may want settings (``variables``), access by ``keys`` or by ``certificates`` (``access``), or a service of a
    later contract in its place (``later``).
    """

    def __init__(self, folder: Path, port: int, case: Mapping[str, Any] | None = None) -> None:
        self._folder, self._case = folder, case or {}
        self.target = f"127.0.0.1:{port}"
        self.known: dict[str, Any] = {"target": self.target}
        """What steps may name with ``$NAME``."""
        self._variables: Mapping[str, str] = self._case.get("variables", {})
        if "access" in self._case:
            self._variables = {**self._variables, **self._guarded(self._case["access"])}
        self._process: subprocess.Popen[str] | None = None
        self._draining = threading.Thread()

    def start(self) -> None:
        """Start it, and return when it serves."""
        up = [str(Path(sys.executable).parent / "penchant"), "up", "--data-dir", str(self._folder / "data")]
        later = [sys.executable, "-m", "tests.conformance.later"]
        self._process = subprocess.Popen(
            [*(later if self._case.get("later") else up), "--listen", self.target],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "PENCHANT_MIN_FREE_BYTES": "1000000", **self._variables},
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "serving" in line:
                # Whatever else it says must not fill the pipe.
                self._draining = threading.Thread(target=self._process.stdout.read, daemon=True)
                self._draining.start()
                return
        raise RuntimeError("penchant up ended: " + "".join(said))

    def _guarded(self, how: str) -> dict[str, str]:
        """Settings of a service that wants TLS, and keys or certificates of its callers."""
        from tests.conformance.access import Access

        access = Access.made(self._folder)
        self.known |= access.known
        return access.settings(how)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(30)
            self._draining.join()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def signal(self, which: signal.Signals) -> None:
        """Freeze it, or let it go on."""
        assert self._process is not None
        self._process.send_signal(which)


@dataclass
class Play:
    """One case, played against one client."""

    case: Mapping[str, Any]
    driver: Driver
    service: Service
    kept: dict[str, Any] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Play all steps. Raises ``Failed`` at the first that is not as it should be."""
        self.kept = {
            **self.service.known,
            "catalogue": json.loads(CATALOGUE.read_text(encoding="utf-8")),
            "long": "x" * 8_193,
            "huge": "x" * 5_000_000,
            "in_a_year": int((time.time() + 365 * 86_400) * 1000),
        }
        for number, step in enumerate(self.case["steps"]):
            try:
                self._step(step)
            except Failed as error:
                raise Failed(f"step {number}, {json.dumps(step)[:200]}: {error}") from None

    def _step(self, step: Mapping[str, Any]) -> None:
        if "service" in step:
            self._befall(step["service"])
            return
        if step["do"] == "leave":
            self.driver.begin(step)
            matched(self.driver.left(), self._filled(step.get("gives", {})), "gives")
            return
        over = time.monotonic() + step.get("until", 0) / 1000
        while True:
            try:
                self._tried(step)
            except Broken:
                raise
            except Failed:
                if time.monotonic() > over:
                    raise
            else:
                return

    def _tried(self, step: Mapping[str, Any]) -> None:
        asked = self._filled({key: value for key, value in step.items() if key not in _JUDGED})
        begun = time.monotonic()
        self.driver.begin(asked)
        if "meanwhile" in step:
            for what in step["meanwhile"]:
                self._befall(what)
        answer = self.driver.answer()
        # A channel that was refused waits a little before it knocks again.
        while (
            answer.get("error", {}).get("kind") == "Unavailable"
            and time.monotonic() < begun + step.get("comes", 0) / 1000
        ):
            self.driver.begin(asked)
            answer = self.driver.answer()
        took = time.monotonic() - begun
        if "takes_at_most" in step and took * 1000 > step["takes_at_most"]:
            raise Failed(f"took {took * 1000:.0f} ms, at most {step['takes_at_most']} are right")
        if "error" in step:
            matched(answer.get("error", answer), self._filled(step["error"]), "error")
            return
        if "ok" not in answer:
            raise Failed(f"answered {json.dumps(answer)[:500]}")
        self._above(step, answer["ok"].get("sequence"))
        matched(answer["ok"], self._filled(step.get("gives", {})), "gives")
        for name, path in step.get("keep", {}).items():
            self.kept[name] = at(answer["ok"], path)

    def _above(self, step: Mapping[str, Any], sequence: int | None) -> None:
        """Whatever befalls, no stream gives an update twice."""
        if sequence is not None:
            before = self.sequences.get(step["name"], 0)
            if sequence <= before:
                raise Broken(f"gave update {sequence} after update {before}")
            self.sequences[step["name"]] = sequence

    def _befall(self, what: str) -> None:
        if what == "kill":
            self.service.end(signal.SIGKILL)
        elif what == "stop":
            self.service.end()
        elif what == "start":
            self.service.start()
        elif what == "freeze":
            self.service.signal(signal.SIGSTOP)
        elif what == "thaw":
            self.service.signal(signal.SIGCONT)
        else:
            raise ValueError(what)

    def _filled(self, value: Any) -> Any:
        """Put what was kept where a case says ``$NAME``, and numbers where it says ``{"$each": …}``."""
        if isinstance(value, str):
            for name, kept in self.kept.items():
                if value == f"${name}":
                    return kept
                value = value.replace(f"${{{name}}}", str(kept))
            return value
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, dict):
            if "$each" in value:
                first, last = value["$each"]
                return [
                    json.loads(json.dumps(self._filled(value["of"])).replace("#", str(n))) for n in range(first, last)
                ]
            return {key: self._filled(one) for key, one in value.items()}
        return value


_JUDGED = {"gives", "error", "keep", "meanwhile", "takes_at_most", "comes", "until"}


def play(case: Mapping[str, Any], language: Language, out: Path, folder: Path) -> None:
    """Play a case against a client and a service of its own, whose data is in *folder*. Raises ``Failed``."""
    service = Service(folder, free_port(), case)
    try:
        if not case.get("absent"):
            service.start()
        with driving(language, out) as driver:
            Play(case, driver, service).run()
    finally:
        service.end()


def matched(found: Any, wanted: Any, where: str) -> None:
    """Raise ``Failed`` unless all that is wanted is there; what a case says nothing of may be anything.

    ``{"$contains": x}``, ``{"$not": x}``, ``{"$above": n}``, ``{"$at_least": n}``, ``{"$count": n}``, ``{"$some": x}``,
    ``{"$matches": pattern}`` say less than a value; a list is matched one by one.
    """
    if isinstance(wanted, dict):
        rules = {key: value for key, value in wanted.items() if key.startswith("$")}
        for rule, value in rules.items():
            _ruled(found, rule, value, where)
        for key, value in wanted.items():
            if key not in rules:
                if not isinstance(found, dict) or key not in found:
                    raise Failed(f"{where}.{key}: is not in {json.dumps(found)[:300]}")
                matched(found[key], value, f"{where}.{key}")
    elif isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            raise Failed(f"{where}: is {json.dumps(found)[:300]}, {json.dumps(wanted)[:300]} is right")
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            matched(one, other, f"{where}[{number}]")
    elif found != wanted:
        raise Failed(f"{where}: is {json.dumps(found)[:300]}, {json.dumps(wanted)[:300]} is right")


def _ruled(found: Any, rule: str, value: Any, where: str) -> None:
    held: Mapping[str, Callable[[], bool]] = {
        "$contains": lambda: value in found,
        "$lacks": lambda: value not in found,
        "$not": lambda: found != value,
        "$above": lambda: found > value,
        "$at_least": lambda: found >= value,
        "$at_most": lambda: found <= value,
        "$count": lambda: len(found) == value,
        "$matches": lambda: re.search(value, found) is not None,
        "$some": lambda: bool(found) == value,
        "$number": lambda: isinstance(found, int | float) == value,
        "$distinct": lambda: (len(found) == len(set(found))) == value,
    }
    if not held[rule]():
        raise Failed(f"{where}: is {json.dumps(found)[:300]}, {rule} {json.dumps(value)[:300]} is right")


def at(found: Any, path: str) -> Any:
    """Return what stands at a path: names and numbers, parted by dots."""
    for part in path.split("."):
        found = found[int(part) if part.lstrip("-").isdigit() else part]
    return found
