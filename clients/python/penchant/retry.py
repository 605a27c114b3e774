"""When to try again, and how soon. Only UNAVAILABLE is ever retried, and only where repeating changes nothing.

Unary calls are retried by gRPC itself, as told by :func:`service_config`: within the call's deadline, with its own
jitter. Streams are reopened by the client, since only it knows where the last one stopped; :class:`Backoff` paces it.
"""

import json
import random
from collections.abc import Callable
from importlib.resources import files

MAX_RETRIES = 4  # gRPC allows five attempts
FIRST_DELAY = 0.05  # seconds
LONGEST_DELAY = 5.0  # seconds

_SHARED = "service_config.json"
"""What clients in all languages begin with, byte for byte."""


class Backoff:
    """Delays that double from 50 ms to 5 s, each shortened by up to a half at random so that clients spread out."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self.failures = 0
        """Delays taken since the last success."""
        self._draw = draw

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return longest * (1.0 - self._draw() / 2)

    def succeeded(self) -> None:
        """Begin again with the shortest delay."""
        self.failures = 0


def service_config(retries: int) -> str:
    """Return gRPC's service config: all servers by turns, every unary call tried again up to ``retries`` times, 0–4."""
    if not 0 <= retries <= MAX_RETRIES:
        raise ValueError(f"retries: {retries} is not within 0–{MAX_RETRIES}")
    config = json.loads(files("penchant").joinpath(_SHARED).read_text(encoding="utf-8"))
    for method in config["methodConfig"]:
        if retries:
            method["retryPolicy"]["maxAttempts"] = retries + 1
        else:
            del method["retryPolicy"]  # gRPC takes two attempts or more
    return json.dumps(config)
