"""Programs that check what is deployed, built once from Go's module proxy into ``.make/tools``."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from penchant_adapters.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "penchant"
TOOLS = ROOT / ".make" / "tools"

HELM = ("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1")
COMPOSE = ("compose-go", "github.com/compose-spec/compose-go/v2/cmd", "v2.16.2")
PROMTOOL = ("promtool", "github.com/prometheus/prometheus/cmd/promtool", "v0.316.0")
KEDA = "github.com/kedacore/keda/v2@v2.21.0"
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"


def built(tool: tuple[str, str, str]) -> Path:
    """Return a program, built now if it is not there yet; helm takes some minutes."""
    name, package, version = tool
    place = TOOLS / f"{name}-{version}"
    program = place / package.rpartition("/")[2]
    TOOLS.mkdir(parents=True, exist_ok=True)
    # `make test` begins to build while other checks run; whoever needs the program waits for that.
    with (TOOLS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _go("install", f"{package}@{version}", GOBIN=str(place))
    return program


def module(path: str) -> Path:
    """Return the folder of a Go module's sources."""
    return Path(json.loads(_go("mod", "download", "-json", path))["Dir"])


def found(tool: tuple[str, str, str]) -> Path:
    """Return a program that takes too long to build for a test."""
    name, package, version = tool
    here = shutil.which(name, path=os.pathsep.join([str(TOOLS), os.environ["PATH"]]))
    if here is None:
        pytest.skip(f"{name} is not here; GOBIN={TOOLS} go install {package}@{version} builds it in some minutes")
    return Path(here)


def _go(*arguments: str, **environment: str) -> str:
    if shutil.which("go") is None:
        pytest.skip(f"Go is not here for: go {' '.join(arguments)}")
    done = subprocess.run(
        ["go", *arguments],
        env={**os.environ, "GOFLAGS": "-mod=mod", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def template(helm: Path, *arguments: str) -> tuple[int, str, str]:
    """Render the chart as release ``shop``; return the exit code and what was said."""
    done = subprocess.run(
        [str(helm), "template", "shop", str(CHART), "--namespace", "shop", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def documents(text: str) -> list[dict[str, Any]]:
    # The loader in C is ten times as fast, and the dashboard alone has two thousand lines.
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def image_variables() -> dict[str, str]:
    """Return the variables that all images set."""
    lines = (DEPLOY / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    base = lines[lines.index("FROM python:${PYTHON} AS base") :]
    words = next(line for line in base if line.startswith("ENV ")).split()[1:]
    return dict(word.split("=", 1) for word in words)


def settings_of(variables: Mapping[str, str]) -> Settings:
    """Read the settings that a container of an image reads."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(PREFIX):
                patch.delenv(name)
        for name, value in {**image_variables(), **variables}.items():
            if name.startswith(PREFIX):
                patch.setenv(name, value)
        return Settings.read()


def parsed(arguments: list[str]) -> None:
    """Let the command line read *arguments* without doing anything; raises where it does not know them."""
    from penchant_cli.app import app
    from typer.main import get_command

    group: Any = get_command(app)
    command = group.get_command(group.make_context("penchant", ["config"]), arguments[0])
    assert command is not None, f"there is no command {arguments[0]}"
    context = command.make_context(arguments[0], arguments[1:])
    if hasattr(command, "commands"):
        assert arguments[1] in command.commands
    context.close()


if __name__ == "__main__":
    for wanted in (HELM, COMPOSE):
        built(wanted)
