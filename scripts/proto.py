"""Generates the Python stubs of protos/ into clients/python; --check fails when they differ from what is committed."""

import argparse
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
TARGET = ROOT / "clients" / "python"


def generate(target: Path) -> list[Path]:
    """Write the stubs below *target* and return their paths relative to it."""
    sources = sorted(str(p.relative_to(PROTOS)) for p in (PROTOS / "penchant").rglob("*.proto"))
    outcome = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--plugin=protoc-gen-mypy={Path(sys.executable).parent / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            *sources,
        ]
    )
    if outcome:
        raise SystemExit(outcome)
    return sorted(p.relative_to(target) for p in target.rglob("*_pb2*.py*") if p.suffix in {".py", ".pyi"})


def main() -> None:
    """Generate, or compare with what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the stubs are out of date")
    if not parser.parse_args().check:
        generate(TARGET)
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        stale = [
            str(p)
            for p in generate(fresh)
            if not (TARGET / p).exists() or (TARGET / p).read_bytes() != (fresh / p).read_bytes()
        ]
    if stale:
        raise SystemExit(f"out of date, run `make proto`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
