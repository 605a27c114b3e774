"""Changes of the contract that would break clients of the one released last are found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[2] / "protos"


def broken(protos: Path) -> str:
    """What the linters' tool says of a contract, beside the one released last; empty: nothing."""
    buf = Path(sys.executable).parent / "buf"
    done = subprocess.run(
        [buf, "breaking", protos, "--against", PROTOS / "released.binpb"], capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == bool(done.stdout), done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("uint32 page_size = 1;", "reserved 1;", r'"1" with name "page_size"'),
        ("double score = 2;", "float score = 2;", '"2" with name "score"'),
        ("KIND_LEARNED = 5;", "KIND_TAUGHT = 5;", '"5" on enum "Kind" changed name'),
        ("bool explain = 4;", "bool explain = 4;\n  // New.\n  bool terse = 900;", ""),
    ],
)
def test_what_breaks_clients_is_found_and_what_is_only_new_is_not(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    changed = shutil.copytree(PROTOS, tmp_path / "protos")
    file = changed / "penchant" / "v1" / "recommendation.proto"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    found = broken(changed)
    assert said in found
    assert bool(said) == bool(found)
