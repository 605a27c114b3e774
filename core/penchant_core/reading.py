"""Reads a ledger as interests: what both stories of the pipeline begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from penchant_core.interests import Interests, Known, interests_said, whole_interest
from penchant_core.ledger import Ledger
from penchant_core.model import Event
from penchant_core.ports import Encoder, Shelves
from penchant_core.profiles import Profile
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Tuning
from penchant_core.vectors import Vector
from penchant_core.voices import Source, Voice, voices_of


@dataclass(frozen=True, slots=True)
class Whole:
    """What a ledger says, taken together."""

    interest: Vector | None
    """The unit vector of everything that is approved of; none where nothing is."""
    words: Mapping[str, Vector]
    """Text → unit vector, of the texts that speak."""


class Reader:
    """Reads a ledger as interests: looks up its items and encodes its words."""

    def __init__(self, catalogue: Shelves, encoder: Encoder, tuning: Tuning, trained: Trained = UNTRAINED) -> None:
        self._catalogue = catalogue
        self._encoder = encoder
        self._tuning = tuning
        self._trained = trained

    async def read(self, events: Sequence[Event], now: int, profile: Profile | None = None) -> Interests:
        """Return the interests behind *events* for somebody who waits; *now* in milliseconds."""
        tuning = self._tuning if profile is None else profile.instead(self._tuning)
        voices = voices_of(events, tuning.scoring, tuning.weights)
        found = interests_said(voices, *await self._looked_up(voices, urgent=True), tuning, now, self._trained.sequence)
        return replace(found, fitted=self._trained.shares(events, tuning))

    async def wholes(self, ledgers: Mapping[str, Ledger]) -> dict[str, Whole]:
        """Return what each of the ledgers says as a whole, all looked up and encoded at once."""
        spoken = {
            user: voices_of(ledger.events, self._tuning.scoring, self._tuning.weights)
            for user, ledger in ledgers.items()
        }
        known, vectors = await self._looked_up(list(chain.from_iterable(spoken.values())), urgent=False)
        return {
            user: Whole(
                whole_interest(voices, known, vectors),
                {voice.key: vectors[voice.key] for voice in voices if voice.source is Source.TEXT},
            )
            for user, voices in spoken.items()
        }

    async def _looked_up(self, voices: Sequence[Voice], *, urgent: bool) -> tuple[dict[str, Known], dict[str, Vector]]:
        items = dict.fromkeys(voice.key for voice in voices if voice.source is Source.ITEM)
        known = await self._catalogue.known(list(items))
        texts = list(dict.fromkeys(voice.key for voice in voices if voice.source is Source.TEXT))
        vectors = await self._encoder.encode(texts, said=True, urgent=urgent) if texts else ()
        return known, dict(zip(texts, vectors, strict=True))
