"""What a process says of its memory is its own, not that of the one that started it."""

import subprocess
import sys

from penchant_relevance.memory import peak_bytes_of_process

SAID = "from penchant_relevance.memory import peak_bytes_of_process; print(peak_bytes_of_process())"


def test_the_peak_of_a_process_is_its_own() -> None:
    before = peak_bytes_of_process()
    held = bytearray(b"x" * (before + (300 << 20)))
    assert peak_bytes_of_process() > before + (290 << 20)
    done = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(done.stdout) < len(held) // 2
