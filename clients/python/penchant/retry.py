"""When to try again, and how soon. Only UNAVAILABLE is ever retried, and only where repeating changes nothing.

Unary calls are retried by gRPC itself, as told by :func:`service_config`: within the call's deadline, with its own
jitter. Streams are reopened by the client, since only it knows where the last one stopped; :class:`Backoff` paces it.
"""

import json
import random
from collections.abc import Callable

MAX_RETRIES = 4  # gRPC allows five attempts
FIRST_DELAY = 0.05  # seconds
LONGEST_DELAY = 5.0  # seconds

_UNARY = {
    "EventService": ("RecordEvent",),
    "CatalogService": ("DeleteItems", "GetItem", "ListItems"),
    "RecommendationService": ("Recommend", "SimilarItems", "SearchItems"),
    "UserService": ("GetInterests",),
}


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
    """Return gRPC's service config that retries every unary call up to ``retries`` times, 0–4."""
    if not 0 <= retries <= MAX_RETRIES:
        raise ValueError(f"retries: {retries} is not within 0–{MAX_RETRIES}")
    if retries == 0:
        return "{}"
    methods = [
        {"service": f"penchant.v1.{service}", "method": name} for service, names in _UNARY.items() for name in names
    ]
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": f"{FIRST_DELAY}s",
        "maxBackoff": f"{LONGEST_DELAY}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": methods, "retryPolicy": policy}]})
