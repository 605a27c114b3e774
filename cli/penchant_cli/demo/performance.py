"""One performance of the story: at once and in plain lines, or paced on a terminal and open to its reader."""

import asyncio
from collections.abc import Sequence

import penchant
from rich.console import Console
from rich.live import Live

from penchant_cli.demo.data import Step, items, story
from penchant_cli.demo.phrases import Phrases
from penchant_cli.demo.play import Play, Scene, as_event, cast, opened
from penchant_cli.demo.stage import load
from penchant_cli.demo.summary import Promise, promises, told
from penchant_cli.demo.view import View
from penchant_cli.importing.display import progress

BREATH = 0.06
"""Seconds at least between two events: any closer, and the service's limit of pushes a second would be measured."""
NOTE_CHARACTERS = 60
"""Characters of a note that are read in one pace."""
COMING = 0.3
"""Part of a pace that an event is shown before it is sent."""
REDRAW = 0.5
"""Seconds until the screen fits a terminal whose size changed."""
VISITOR = "you"


def commands(address: str, visitor: str, shopper: str) -> list[str]:
    """Return what a reader can type in another terminal to take part."""
    return [
        f'penchant record {visitor} search --text "a tent for two" --target {address}',
        f"penchant record {shopper} review --text 我想买一台新相机 --target {address}",
        f"penchant recommend {visitor} --watch --explain --target {address}",
    ]


class Performance:
    """The story on a service that runs."""

    def __init__(self, console: Console, pace: float | None) -> None:
        self._console = console
        self._pace = pace  # seconds; none: plain lines instead of the view
        self._catalogue = items()
        self._steps: Sequence[Step] = story()
        self._phrases = Phrases({item.item_id: item.title for item in self._catalogue})
        self._scenes: list[Scene] = []
        self._promises: list[Promise] = []

    @property
    def broken(self) -> list[Promise]:
        """Promises that were not kept."""
        return [promise for promise in self._promises if not promise.kept]

    async def play(self, address: str) -> None:
        """Load the catalogue and play. With a pace this goes on until it is cancelled."""
        async with penchant.aio.Client(address) as client:
            with progress(self._console, "catalogue", len(self._catalogue)) as tell:
                await load(client, self._catalogue, tell)
            names = dict.fromkeys(step.event.user_id for step in self._steps)
            users = await cast(client, [*names, VISITOR])
            events = [as_event(step.event, users[step.event.user_id]) for step in self._steps]
            async with opened(client, users.values()) as play:
                if self._pace is None:
                    await self._once(play, events)
                else:
                    view = View(address, len(events), self._phrases)
                    await self._live(play, events, view, self._pace)

    def farewell(self) -> None:
        """Print what was promised and what came of it."""
        for promise in self._promises:
            self._line(f"{'✓' if promise.kept else '✗'} {promise.text}")

    async def _once(self, play: Play, events: Sequence[penchant.Event]) -> None:
        with self._console.status("Playing the story …"):
            for event, step in zip(events, self._steps, strict=True):
                self._scenes.append(await play.perform(event, step.note))
                await asyncio.sleep(BREATH)
            await self._judge(play)
        for line in ["", *told(self._scenes, self._phrases), ""]:
            self._line(line)
        self.farewell()

    async def _live(self, play: Play, events: Sequence[penchant.Event], view: View, pace: float) -> None:
        # Drawn only between events, so that drawing does not slow the push that is timed.
        with Live(console=self._console, screen=True, auto_refresh=False) as live:

            async def draw(seconds: float) -> None:
                live.update(view.draw(self._console.width), refresh=True)
                await asyncio.sleep(seconds)

            for event, step in zip(events, self._steps, strict=True):
                view.announce(event)
                await draw(pace * COMING)
                self._scenes.append(await play.perform(event, step.note))
                view.show(self._scenes[-1])
                await draw(max(BREATH, pace * max(1.0, len(step.note) / NOTE_CHARACTERS)))
            await self._judge(play)
            visitor = VISITOR + events[0].user_id.removeprefix(self._steps[0].event.user_id)
            view.invitation = commands(view.address, visitor, events[0].user_id)
            while True:
                await draw(0)
                heard = asyncio.create_task(play.overheard())
                while not heard.done():
                    await asyncio.wait([heard], timeout=REDRAW)
                    await draw(0)
                view.show(heard.result())

    async def _judge(self, play: Play) -> None:
        unchanged = await play.repeated(self._scenes[0].event)
        self._promises = promises(self._scenes, repeat_changed_nothing=unchanged)

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)
