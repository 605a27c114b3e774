"""The encoders of a store's spaces, opened at the start; which of them answers is the registry's word."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import structlog
from penchant_adapters.alarm import Alarm
from penchant_adapters.edge import EdgeStore
from penchant_adapters.encoders import CachedEncoder, opened_encoder
from penchant_adapters.settings import Settings
from penchant_adapters.spaces import Registered, Registry, read_registry
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.telemetry.timed import timed
from penchant_core.errors import InvalidSetting, StoreMismatch
from penchant_core.spaces import Space, Standing
from penchant_core.trained import Trained

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opening:
    """What was opened."""

    registry: Registry
    encoders: Mapping[str, CachedEncoder]
    """By name, the active one first."""
    stacks: dict[str, AsyncExitStack] = field(default_factory=dict)
    """What closes each of them, and those that are opened later."""
    away: Mapping[str, str] = field(default_factory=dict)
    """Model → why its encoder could not be opened."""

    @property
    def active(self) -> CachedEncoder:
        """The one that answers."""
        return self.encoders[self.registry.active]

    async def aclose(self) -> None:
        """Close all that is open."""
        for stack in self.stacks.values():
            await stack.aclose()


class Opener:
    """Opens encoders, and makes spaces of them once there is a store."""

    def __init__(self, settings: Settings, metrics: Metrics, trained: Trained, alarm: Alarm) -> None:
        """*alarm* hears of an encoder that is lost."""
        self._settings = settings
        self._alarm = alarm
        self._metrics = metrics
        self._trained = trained
        self.store: EdgeStore | None = None

    async def encoder(self, stack: AsyncExitStack, url: str, metrics: Metrics | None = None) -> CachedEncoder:
        """Open an encoder behind the cache, in a thread; *stack* closes it. Raises ``InvalidSetting``."""
        return await stack.enter_async_context(opened_encoder(url, self._settings, metrics, self._alarm))

    def space(self, encoder: CachedEncoder) -> Space:
        """Return the space of an encoder that the store has."""
        assert self.store is not None
        shelves = timed(self.store.items.shelves(encoder.name), self._metrics)
        sequence = self._trained.sequence
        bound = sequence is not None and sequence.about.encoder == encoder.name
        return Space(encoder, shelves, shelves, replace(self._trained, sequence=sequence if bound else None))

    async def open(self) -> Opening:
        """Open the encoders of all spaces. Raises ``InvalidSetting`` and ``StoreMismatch``; then none stays open."""
        registry = await asyncio.to_thread(read_registry, self._settings.data_dir)
        stacks: dict[str, AsyncExitStack] = {}
        encoders: dict[str, CachedEncoder] = {}
        away: dict[str, str] = {}
        try:
            url = self._settings.encoder
            if registry is None or all(one.url != url for one in registry.spaces):
                stack = AsyncExitStack()
                encoder = await self._kept(stack, url, self._metrics)
                stacks[encoder.name], encoders[encoder.name] = stack, encoder
                registry = _recognised(registry, encoder, url)
            # The active one first: its words are counted.
            for one in sorted(registry.spaces, key=lambda one: one.model != registry.active):
                if one.model not in encoders:
                    await self._try(one, registry, stacks, encoders, away)
        except BaseException:
            for stack in stacks.values():
                await stack.aclose()
            raise
        if registry.of(registry.active).url != url:
            _log.warning(
                "the model that was promoted answers, not the one of the setting", model=registry.active, setting=url
            )
        order = [registry.active, *(name for name in encoders if name != registry.active)]
        return Opening(registry, {name: encoders[name] for name in order}, stacks, away)

    async def _kept(self, stack: AsyncExitStack, url: str, metrics: Metrics | None) -> CachedEncoder:
        try:
            return await self.encoder(stack, url, metrics)
        except BaseException:
            await stack.aclose()
            raise

    async def _try(
        self,
        one: Registered,
        registry: Registry,
        stacks: dict[str, AsyncExitStack],
        encoders: dict[str, CachedEncoder],
        away: dict[str, str],
    ) -> None:
        stack = AsyncExitStack()
        try:
            encoder = await self._kept(stack, one.url, None if encoders else self._metrics)
            if encoder.name != one.model:
                await stack.aclose()
                _refuse_other(one, encoder.name)
        except (InvalidSetting, StoreMismatch) as error:
            if one.model == registry.active:
                raise
            away[one.model] = str(error)
            _log.error("a model is away: nothing is written to its space", model=one.model, error=str(error))
        else:
            stacks[one.model], encoders[one.model] = stack, encoder


def _refuse_other(wanted: Registered, found: str) -> None:
    raise StoreMismatch(f"{wanted.url} is {found} now, and the store has vectors of {wanted.model}; put that one back")


def _recognised(registry: Registry | None, encoder: CachedEncoder, url: str) -> Registry:
    """Return the registry with the encoder of the setting, which may have moved to another place."""
    if registry is None:
        return Registry(encoder.name, (Registered(encoder.name, url, encoder.dim, whole=True),))
    if registry.find(encoder.name) is None:
        names = ", ".join(one.model for one in registry.spaces)
        raise StoreMismatch(
            f"encoder: {url} is {encoder.name}, and the store has vectors of: {names}; set encoder back and add the "
            "other one while serving: penchant models add"
        )
    return registry.changed(encoder.name, url=url)


def standing(opener: Opener, opening: Opening) -> Standing:
    """Return the standing to begin with: what is not sure to be whole is looked at first."""
    spaces = {name: opener.space(encoder) for name, encoder in opening.encoders.items()}
    active = spaces.pop(opening.registry.active)
    return Standing(active, tuple(spaces.values()))
