"""Fetch Java programs with Maven: once, into a folder, whole or not at all."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
CACHE = "PENCHANT_TEST_JARS"
"""Variable with the folder to keep jars in, instead of ``.make`` in the repository."""
FETCH_SECONDS = 600

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>penchant</groupId>
  <artifactId>jars</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


class NotHere(RuntimeError):
    """The neighbour cannot run on this machine; the message says what is missing."""


def program(name: str) -> str:
    """Return the path of a program; raises ``NotHere``."""
    path = shutil.which(name)
    if path is None:
        raise NotHere(f"{name} is not installed: a Java runtime (17 or later) and Maven are needed for a real broker")
    return path


def jars(name: str, *artifacts: str) -> Path:
    """Return the folder with *artifacts* (``group:artifact:version``) and what they need, fetched when it is not there.

    Processes that ask at once fetch once: one fetches, the others wait.
    """
    root = Path(os.environ.get(CACHE) or ROOT / ".make")
    home = root / name / "+".join(sorted(artifact.split(":")[-1] for artifact in artifacts))
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with _alone(home.parent / "lock"):
        if not home.is_dir():
            _fetch(home, artifacts)
    return home


def _fetch(home: Path, artifacts: tuple[str, ...]) -> None:
    maven = program("mvn")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="fetching-") as folder:
        dependencies = "\n".join(_DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
        Path(folder, "pom.xml").write_text(_POM.format(dependencies=dependencies), encoding="utf-8")
        done = subprocess.run(  # noqa: S603 the program and every word are ours
            [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if done.returncode:
            raise NotHere(f"Maven could not fetch {', '.join(artifacts)}: {(done.stdout + done.stderr)[-2000:]}")
        Path(folder, "jars").rename(home)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
