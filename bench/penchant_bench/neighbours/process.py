"""A process that does not outlive the one that started it, however that one ends."""

import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_FIRST_PORT, _LAST_PORT = 15_000, 31_000
"""Below the ports that systems give to outgoing connections: a client that tries again and again to reach a stopped
neighbour would else, by chance, get that very port and sit on it."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), 200):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port was found")


class Guarded:
    """A process whose output goes to a file, with a guard that kills it when this process is gone.

    The guard waits for the end of its input, which nobody but this process holds open.
    """

    def __init__(self, command: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> None:
        with output.open("ab") as file:
            self.process = subprocess.Popen(  # noqa: S603 the callers' words are ours
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, env=environment
            )
        self._guard = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", 'cat; kill -9 "$0"', str(self.process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether it runs; a paused one does."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, grace: float) -> int:
        """Ask it to end, insist after *grace* seconds; return its exit code."""
        if self.running and grace:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        # The guard goes first of all its own way: it must not kill whoever gets the number next.
        self._guard.kill()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
        return code
