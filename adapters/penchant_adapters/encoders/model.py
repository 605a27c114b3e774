"""What the runtime asks of a model: promises that every kind of encoder keeps."""

from collections.abc import Sequence
from typing import Any, Protocol

from penchant_core.vectors import Matrix

from penchant_adapters.encoders.layout import Prompts
from penchant_adapters.encoders.schedule import Room


class Reading(Protocol):
    """The tokens of a text, or the pixels of a picture."""

    @property
    def length(self) -> int:
        """How many tokens it takes."""


class TextReader(Protocol):
    """A tokenizer, or what prepares pictures, that blocks its thread."""

    @property
    def room(self) -> Room:
        """Most texts, and most UTF-8 bytes, of one call of ``read``."""

    def read(self, texts: Sequence[Any]) -> Sequence[Reading]:
        """Return what the model takes of each text, or of each file of a picture where it ``sees``."""


class TextModel(Protocol):
    """A model that blocks its thread while it turns texts, or their tokens, into vectors."""

    @property
    def name(self) -> str:
        """Identity of the model and its weights."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def room(self) -> Room:
        """Most texts, and most tokens or UTF-8 bytes, of one call of ``vectors``."""

    @property
    def padded(self) -> bool:
        """Whether a batch costs its longest text times its texts, not their sum."""

    @property
    def prompts(self) -> Prompts:
        """What it wants before texts."""

    @property
    def sees(self) -> bool:
        """Whether it takes files of pictures beside texts; such a model has a reader."""

    @property
    def exhausted(self) -> type[Exception]:
        """What ``vectors`` raises when a batch is too large for the device's memory."""

    @property
    def reader(self) -> TextReader | None:
        """What gives ``vectors`` tokens; None: it takes texts."""

    def vectors(self, given: Sequence[Any]) -> Matrix:
        """Return one row per text, in order; the rows need not be of unit length."""
