"""What a process says of its memory is its own, not that of the one that started it."""

import subprocess
import sys

MIB = 1 << 20
CHILD = "from penchant_relevance.memory import peak_bytes_of_process; print(peak_bytes_of_process())"
PARENT = f"""
import subprocess, sys
from penchant_relevance.memory import peak_bytes_of_process
before = peak_bytes_of_process()
held = b"x" * {300 * MIB}
child = subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True, check=True)
print(before, peak_bytes_of_process(), child.stdout)
"""


def test_the_peak_of_a_process_is_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True)
    before, after, child = map(int, done.stdout.split())
    assert after > before + 290 * MIB
    assert MIB < child < 200 * MIB
