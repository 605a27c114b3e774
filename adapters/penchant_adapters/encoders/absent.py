"""The encoder of a process that has no model."""

from collections.abc import Sequence

from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.layout import NO_PROMPTS, Prompts
from penchant_adapters.encoders.mixed import Part


class AbsentEncoder:
    """Stands for the model that a store was made with: vectors can be remembered, but none can be made."""

    def __init__(self, name: str, dim: int, url: str) -> None:
        self._name = name
        self._dim = dim
        self._url = url

    @property
    def name(self) -> str:
        """Identity of the model."""
        return self._name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def prompts(self) -> Prompts:
        """None are known: what is remembered of users' words was read with them."""
        return NO_PROMPTS

    @property
    def sees(self) -> bool:
        """No: it takes no pictures."""
        return False

    async def encode(self, parts: Sequence[Part], *, said: bool = False, urgent: bool = False) -> Matrix:
        """Raise ``InvalidSetting``: somebody must install the model."""
        del parts, said, urgent
        raise InvalidSetting(
            f"this server has no model for new words ({self._url}); install penchant[torch] on it to search by words",
            field="encoder",
        )
