"""Carries recipes out, one after the other, on the words of a log."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penchant_adapters.encoders import open_encoder
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix

from penchant_relevance.compressing.comparing import Tried, carried_out, sample_of
from penchant_relevance.compressing.recipes import Recipe, usual
from penchant_relevance.compressing.trying import Running, Speed, running
from penchant_relevance.encoding import in_steps, words_of
from penchant_relevance.log import Log

if TYPE_CHECKING:  # torch is an extra
    from penchant_relevance.compressing.making import Original

Told = Callable[[str, int, int], None]
"""Hears what is being done, how far it is, and how far it goes."""


def carry_out(
    log: Log, url: str, recipes: Sequence[Recipe] | None, room: Path, *, epochs: int, seed: int, told: Told
) -> list[Tried]:
    """Return the model of a URL as it is, and then every recipe tried; none: the usual ones.

    Models that recipes make stand in folders of *room*, named like the recipe without what it says of the store. Raises
    ``InvalidSetting`` where one cannot be made; of the usual ones those are left out, and *told* why.
    """
    original = _original(log, url, recipes, seed)
    sample = sample_of(log)
    told(f"{Recipe().name}: opening", 0, 1)
    with running(url, sample) as first:
        reading = _Reading(log, url, first, sample, told)
        rows = [carried_out(log, Recipe(), url, *reading.by(url, Recipe()))]
        by_rote = recipes is None
        if recipes is None:
            recipes = usual(rows[0].dim, None if original is None else original.layers)
        made: dict[Recipe, tuple[str, dict[str, Any]]] = {Recipe(): (url, {})}
        for recipe in recipes:
            if recipe.model not in made and original is not None:
                folder = room / recipe.model.name
                try:
                    made[recipe.model] = f"hf:{folder}", _make(original, recipe.model, folder, epochs, seed, told)
                except InvalidSetting as error:
                    if not by_rote:
                        raise
                    told(f"{recipe.name} is left out: {error}", 1, 1)
                    continue
            place, figures = made[recipe.model]
            rows.append(carried_out(log, recipe, place, *reading.by(place, recipe)))
            rows[-1].made = figures
    return rows


class _Reading:
    """A log as models read it, and how fast they are beside the first; each reads it once."""

    def __init__(self, log: Log, url: str, first: Running, sample: Sequence[str], told: Told) -> None:
        self._log, self._told = log, told
        self._url, self._first, self._sample = url, first, sample
        self._read: dict[str, tuple[Matrix, Speed]] = {}

    def by(self, url: str, recipe: Recipe) -> tuple[Matrix, Speed]:
        """Return the vectors of the items and then of the texts, and the speed. Raises ``EncoderFailed``."""
        if url not in self._read:
            rows = asyncio.run(self._encoded(url, recipe.name))
            self._told(f"{recipe.name}: taking the time", 0, 1)
            self._read[url] = rows, self._first.alone() if url == self._url else self._beside(url)
            self._told(f"{recipe.name}: taking the time", 1, 1)
        return self._read[url]

    def _beside(self, url: str) -> Speed:
        with running(url, self._sample) as other:
            return other.beside(self._first)

    async def _encoded(self, url: str, name: str) -> Matrix:
        # Not remembered: whatever a recipe makes is gone afterwards.
        async with open_encoder(url) as encoder:
            return await in_steps(
                words_of(self._log),
                self._log.texts,
                encoder,
                lambda done, total: self._told(f"{name}: encoding", done, total),
            )


def _original(log: Log, url: str, recipes: Sequence[Recipe] | None, seed: int) -> "Original | None":
    scheme, _, place = url.partition(":")
    if scheme != "hf":
        if remaking := [recipe.name for recipe in recipes or () if recipe.remakes]:
            raise InvalidSetting(
                f"{url} cannot be made anew, so {remaking[0]} is for models of transformers (hf:NAME_OR_FOLDER); "
                "float16, turbo8 and turbo4 are for every model",
                "recipe",
            )
        return None
    try:
        from penchant_relevance.compressing.making import Original  # noqa: PLC0415 torch is an extra
    except ImportError as error:
        raise InvalidSetting(f"this needs {error.name}; run pip install 'penchant[compress]'", "encoder") from error
    return Original.of(place, [*(item.words for item in log.items), *log.texts], seed)


def _make(original: "Original", recipe: Recipe, folder: Path, epochs: int, seed: int, told: Told) -> dict[str, Any]:
    from penchant_relevance.compressing.making import make  # noqa: PLC0415 torch is an extra
    from penchant_relevance.compressing.pruning import Recovery  # noqa: PLC0415 as above

    told(f"{recipe.name}: making", 0, 1)
    heard = lambda done, total: told(f"{recipe.name}: training", done, total)  # noqa: E731 shorter than a function
    return make(original, recipe, folder, Recovery(epochs=epochs, seed=seed), heard)
