"""The models of a service on one machine: another encoder is added, filled, compared, promoted and taken back.

What is decided stands in the store's ``spaces.json`` before it is done, so a crash at any moment leaves either the
state before or the state after, and a fill goes on at the next start. Who answers is one assignment.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import structlog
from penchant_adapters.edge import EdgeStore
from penchant_adapters.spaces import Registered, Registry, write_registry
from penchant_core.errors import EncoderFailed, InvalidField, PenchantError
from penchant_core.pipeline import Learner
from penchant_core.spaces import Space, Spaces, Standing

from penchant_server.filling import Filling, Progress
from penchant_server.live import Audience
from penchant_server.opening import Opener, Opening
from penchant_server.shadow import Shadow

MOST = 3
"""Spaces of one store."""
RETRY = 10.0
"""Seconds after which a fill that failed is tried again."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """A model as it is now."""

    space: Registered
    active: bool
    before: bool
    away: str
    """Why its encoder is not open; empty: it is."""
    filling: bool
    progress: Progress


class Models:
    """Keeps them; one change at a time."""

    def __init__(
        self,
        store: EdgeStore,
        spaces: Spaces,
        learner: Learner,
        shadow: Shadow,
        audience: Audience,
        opened: Opening,
        opener: Opener,
    ) -> None:
        self._store, self._spaces, self._shadow, self._audience = store, spaces, shadow, audience
        self._filling = Filling(store, spaces, learner)
        self._registry = opened.registry
        self._away: dict[str, str] = dict(opened.away)
        self._closing = opened.stacks
        self._opener = opener
        self._progress: dict[str, Progress] = {}
        self._changing = asyncio.Lock()
        self._at: tuple[str, asyncio.Task[None]] | None = None
        now = spaces.now
        spaces.behind |= {space.name for space in now.others}
        if now.others:
            spaces.wanted.set()
        for one in self._registry.spaces:
            shadow.set(one.model, one.share)

    def listed(self) -> list[Told]:
        """Return the models, the active one first."""
        spaces = sorted(self._registry.spaces, key=lambda one: one.model != self._registry.active)
        return [self.told(one.model) for one in spaces]

    def told(self, model: str) -> Told:
        """Return a model as it is now."""
        space = self._registry.of(model)
        return Told(
            space,
            active=model == self._registry.active,
            before=model == self._registry.before,
            away=self._away.get(model, ""),
            filling=not space.whole or self._behind(model),
            progress=self._progress.get(model, Progress()),
        )

    def _behind(self, model: str) -> bool:
        return model in self._spaces.behind or (self._at is not None and self._at[0] == model)

    def named(self, name: str) -> str:
        """Return the model of a name or of an encoder's URL. Raises ``InvalidField``."""
        found = [one.model for one in self._registry.spaces if name in (one.model, one.url)]
        if len(found) != 1:
            there = ", ".join(one.model for one in self._registry.spaces)
            raise InvalidField("model", f"{name!r} is none of the models of this service; there are: {there}")
        return found[0]

    async def add(self, url: str) -> str:
        """Open an encoder and begin to fill its space; return its name. Raises ``InvalidField``, ``InvalidSetting``."""
        async with self._changing:
            if len(self._registry.spaces) >= MOST:
                raise InvalidField("encoder", f"there are {MOST} models already; remove one first")
            stack = AsyncExitStack()
            try:
                encoder = await self._opener.encoder(stack, url)
                self._refuse_known(encoder.name)
                space = Registered(encoder.name, url, encoder.dim)
                # First as one to be deleted: that is what it is until its vectors exist.
                await self._write(replace(self._registry, leaving=(*self._registry.leaving, encoder.name)))
                self._store.see(space)
                await self._write(self._registry.with_space(space))
            except BaseException:
                await stack.aclose()
                raise
            self._closing[encoder.name] = stack
            now = self._spaces.now
            self._spaces.switch(Standing(now.active, (*now.others, self._opener.space(encoder)), now.peopled))
            self._fall_behind(encoder.name)
            _log.info("a model was added", model=encoder.name, encoder=url)
            return encoder.name

    async def compare(self, model: str, share: float) -> None:
        """Have a share of the lists made by a model too. Raises ``InvalidField``."""
        async with self._changing:
            self._refuse_active(model)
            self._refuse_unfit(model)
            await self._write(self._registry.changed(model, share=share))
            self._shadow.set(model, share)

    async def promote(self, model: str) -> None:
        """Let a model answer. Raises ``InvalidField`` while it cannot."""
        async with self._changing:
            if model == self._registry.active:
                return
            self._refuse_unfit(model)
            before = self._registry.active
            await self._write(replace(self._registry.changed(model, share=0.0), active=model, before=before))
            self._turn(model)
            _log.info("a model was promoted", model=model, before=before)

    async def roll_back(self) -> str:
        """Let the model answer that did before; return its name. Raises ``InvalidField`` where there is none."""
        before = self._registry.before
        if not before:
            raise InvalidField("model", "there is no model to go back to: none answered before this one")
        await self.promote(before)
        return before

    async def remove(self, model: str) -> None:
        """Take out a model and delete its vectors. Raises ``InvalidField`` for the one that answers."""
        async with self._changing:
            self._refuse_active(model)
            await self._write(self._registry.without(model))
            now = self._spaces.now
            others, peopled = (tuple(s for s in some if s.name != model) for some in (now.others, now.peopled))
            self._spaces.switch(Standing(now.active, others, peopled))
            self._spaces.behind.discard(model)
            self._shadow.set(model, 0.0)
            if self._at is not None and self._at[0] == model:
                self._at[1].cancel()
                await asyncio.wait([self._at[1]])
            await self._spaces.taken_over()
            self._store.unsee(model)
            left = tuple(one for one in self._registry.leaving if one != model)
            await self._write(replace(self._registry, leaving=left))
            self._progress.pop(model, None)
            self._away.pop(model, None)
            if (stack := self._closing.pop(model, None)) is not None:
                await stack.aclose()
            _log.info("a model was removed", model=model)

    def _turn(self, model: str) -> None:
        """Let another model answer, from the next list on."""
        now = self._spaces.now
        spaces: Mapping[str, Space] = {one.name: one for one in (now.active, *now.others)}
        # What answered until now has everything: nothing is answered by what has not.
        peopled = [one for one in (now.active, *now.peopled) if one.name != model]
        others = [one for one in spaces.values() if one.name != model]
        self._shadow.set(model, 0.0)
        self._store.turn(model)
        self._spaces.switch(Standing(spaces[model], tuple(others), tuple(peopled)))
        self._audience.wake_all()

    def _refuse_known(self, model: str) -> None:
        if self._registry.find(model) is not None:
            raise InvalidField("encoder", f"{model} is there already")

    def _refuse_active(self, model: str) -> None:
        if model == self._registry.active:
            raise InvalidField("model", f"{model} is the one that answers; promote another one first")

    def _refuse_unfit(self, model: str) -> None:
        told = self.told(model)
        if told.away:
            raise InvalidField("model", f"the encoder of {model} is not open: {told.away}")
        if told.filling:
            raise InvalidField("model", f"{model} is still being filled; see penchant models list")

    async def _write(self, registry: Registry) -> None:
        await asyncio.to_thread(write_registry, self._store.path, registry)
        self._registry = registry

    def _fall_behind(self, model: str) -> None:
        self._spaces.behind.add(model)
        self._spaces.wanted.set()

    async def run(self) -> None:
        """Fill what is behind, for ever."""
        while True:
            await self._spaces.wanted.wait()
            self._spaces.wanted.clear()
            for model in sorted(self._spaces.behind):
                task = asyncio.create_task(self._make_good(model))
                self._at = model, task
                try:
                    await asyncio.wait([task])
                finally:
                    task.cancel()
                    self._at = None

    async def _make_good(self, model: str) -> None:
        now = self._spaces.now
        space = next((one for one in (now.active, *now.others) if one.name == model), None)
        self._spaces.behind.discard(model)
        if space is None:
            return
        progress = self._progress[model] = Progress()
        try:
            await self._filling.fill(space, progress)
            if not self._registry.of(model).whole and model not in self._spaces.behind:
                async with self._changing:
                    await self._write(self._registry.changed(model, whole=True))
                _log.info("a model is whole", model=model)
        except Exception as error:  # noqa: BLE001 serving goes on without it
            problem = str(error) if isinstance(error, PenchantError) else repr(error)
            progress.problem = problem
            _log.warning("filling failed", model=model, error=problem, again_in=RETRY)
            self._spaces.behind.add(model)
            asyncio.get_running_loop().call_later(RETRY, self._spaces.wanted.set)

    async def read_words(self, texts: Sequence[str]) -> None:
        """Have words encoded for every space that users are written in. Raises ``EncoderFailed`` for the active one."""
        with self._spaces.held() as standing:
            spaces = (standing.active, *standing.peopled)
            done = await asyncio.gather(
                *(one.encoder.encode(texts, said=True) for one in spaces), return_exceptions=True
            )
        for space, outcome in zip(spaces, done, strict=True):
            # Where another one failed, learning finds out, and what it could not write is filled in.
            tolerable = space is not standing.active and isinstance(outcome, EncoderFailed)
            if isinstance(outcome, BaseException) and not tolerable:
                raise outcome
