"""The command line where an extra is missing: it says what to install instead of failing."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules[{missing!r}] = None
from penchant_cli.entry import main
sys.argv = ["penchant", *{arguments!r}]
main()
"""


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("scipy", ["eval", "amazon_beauty", "--json", "x"], "bench"),
        ("psutil", ["bench", "all"], "bench"),
        ("aiokafka", ["consume", "--stage", "users"], "cluster"),
        ("qdrant_client", ["serve"], "cluster"),
        ("qdrant_edge", ["up"], "server"),
    ],
)
def test_a_command_whose_extra_is_missing_says_what_to_install(missing: str, arguments: list[str], extra: str) -> None:
    code = WITHOUT.format(missing=missing, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert missing in done.stderr
    assert f"penchant[{extra}]" in done.stderr


def test_the_bare_install_says_what_the_command_line_needs() -> None:
    code = WITHOUT.format(missing="typer", arguments=["--version"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "penchant[cli]" in done.stderr
