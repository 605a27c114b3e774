"""The last write of each user, so that reads can wait for it."""

from collections import OrderedDict

MOST = 10_000
"""Users that are remembered; the one that wrote longest ago is forgotten first."""


class Writes:
    """Freshness tokens by user; remembers none unless it is told to."""

    def __init__(self, *, remembered: bool) -> None:
        self._remembered = remembered
        self._tokens: OrderedDict[str, str] = OrderedDict()

    def note(self, user_id: str, token: str) -> None:
        """Keep the token of a user's newest write."""
        if not self._remembered or not token:
            return
        self._tokens[user_id] = token
        self._tokens.move_to_end(user_id)
        if len(self._tokens) > MOST:
            self._tokens.popitem(last=False)

    def token(self, user_id: str, given: str) -> str:
        """Return the token that a read of a user waits for: the one that was *given*, else the remembered one."""
        return given or self._tokens.get(user_id, "")
