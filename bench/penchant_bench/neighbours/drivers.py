"""Clients in all languages, each lent by its driver: see tests/conformance/README.md, whose protocol they speak."""

import json
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
"""Seconds that a driver may take for one step."""


class Failed(AssertionError):
    """A client did something else than it should."""


@dataclass(frozen=True)
class Language:
    """A client, as its ``conformance.json`` describes it."""

    name: str
    folder: Path
    needs: tuple[str, ...]
    build: tuple[tuple[str, ...], ...]
    run: tuple[str, ...]
    test: tuple[tuple[str, ...], ...]
    first: tuple[str, ...] = ()
    """Runs the first example of its README."""

    @property
    def missing(self) -> list[str]:
        """Tools that are not on this machine."""
        return [tool for tool in self.needs if shutil.which(tool) is None]


def languages() -> list[Language]:
    """Return the clients there are, by name."""
    found = []
    for file in sorted((ROOT / "clients").glob("*/conformance.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        found.append(
            Language(
                name=told["language"],
                folder=file.parent,
                needs=tuple(told.get("needs", ())),
                build=tuple(map(tuple, told.get("build", ()))),
                run=tuple(told["run"]),
                test=tuple(map(tuple, told.get("test", ()))),
                first=tuple(told.get("first", ())),
            )
        )
    return sorted(found, key=lambda one: one.name)


class Driver:
    """A client's driver: one step at a time. After it was told to leave, the next step begins another one."""

    def __init__(self, language: Language, out: Path) -> None:
        self._command = [part.format(out=out, python=sys.executable, root=ROOT) for part in language.run]
        self._folder = language.folder
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        self._readers: list[threading.Thread] = []

    @property
    def pid(self) -> int:
        """Its process."""
        return self._living().pid

    def begin(self, step: Mapping[str, Any]) -> None:
        """Tell it what to do."""
        process = self._living()
        assert process.stdin is not None
        process.stdin.write(json.dumps(step) + "\n")
        process.stdin.flush()

    def answer(self, patience: float = PATIENCE) -> dict[str, Any]:
        """Return what came of it."""
        try:
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            raise Failed(f"no answer for {patience:g} s") from None
        if line is None:
            raise Failed(f"the driver ended: {self.left()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, do: str, **more: object) -> dict[str, Any]:
        """Tell it what to do; return what came of it. Raises Failed with what it answers instead."""
        self.begin({"do": do, **more})
        answer = self.answer()
        if "ok" not in answer:
            raise Failed(f"{do}: {json.dumps(answer)[:500]}")
        found: dict[str, Any] = answer["ok"]
        return found

    def left(self) -> dict[str, Any]:
        """Wait for its end; return its status and what it wrote to standard error."""
        process, self._process = self._living(), None
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failed(f"did not end for {PATIENCE:g} s") from None
        finally:
            for reader in self._readers:
                reader.join()
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                with suppress(OSError):
                    pipe.close()
        return {"status": process.returncode, "said": "".join(self._said)}

    def end(self) -> None:
        """Close its input and wait until it is gone; what it said to standard error is passed on."""
        if self._process is None:
            return
        process = self._process
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        sys.stderr.write(self.left()["said"])

    def _living(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 what a conformance.json says
                self._command,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._lines, self._said = queue.Queue(), []
            self._readers = [
                threading.Thread(target=self._read, args=(self._process, self._lines), daemon=True),
                threading.Thread(target=self._hear, args=(self._process, self._said), daemon=True),
            ]
            for reader in self._readers:
                reader.start()
        return self._process

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    @staticmethod
    def _hear(process: subprocess.Popen[str], said: list[str]) -> None:
        assert process.stderr is not None
        said.extend(process.stderr)


@contextmanager
def driving(language: Language, out: Path) -> Iterator[Driver]:
    """Run a client's driver."""
    driver = Driver(language, out)
    try:
        yield driver
    finally:
        driver.end()


def told(steps: Sequence[tuple[str, ...]], language: Language, out: Path) -> str:
    """Run commands of a client in its folder; return what they said. Raises ``Failed`` with it where one fails."""
    said = ""
    for step in steps:
        command = [part.format(out=out, python=sys.executable, root=ROOT) for part in step]
        done = subprocess.run(  # noqa: S603
            command, cwd=language.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4_000:]}")
        said += done.stdout
    return said
