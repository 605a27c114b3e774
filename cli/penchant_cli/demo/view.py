"""The play on a terminal: what the shopper did, the list it moved, and why. Knows what is shown, not how it came."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import penchant
from rich.console import RenderableType
from rich.layout import Layout
from rich.text import Text

from penchant_cli.demo import panels
from penchant_cli.demo.panels import Deed
from penchant_cli.demo.phrases import Phrases
from penchant_cli.demo.play import Scene, percentile

WIDE = 100
"""Columns from which the three parts stand side by side."""
HEADER, SMALL_LIST = 4, 10
"""Lines."""
REMEMBERED = 12
"""Events of a shopper that are shown, at most."""


@dataclass(slots=True)
class View:
    """Everything on the screen."""

    address: str
    total: int
    """Events of the story."""
    phrases: Phrases
    invitation: Sequence[str] = ()
    """Commands to type elsewhere; none while the story is played."""
    _shopper: str = ""
    _coming: Deed | None = None
    _played: int = 0
    _times: list[float] = field(default_factory=list)
    _deeds: dict[str, deque[Deed]] = field(default_factory=dict)
    _scenes: dict[str, Scene] = field(default_factory=dict)

    def announce(self, event: penchant.Event) -> None:
        """Show an event before it is sent, beside its shopper's present list."""
        self._shopper = event.user_id
        self._coming = Deed(self.phrases.of_event(event), coming=True)

    def show(self, scene: Scene) -> None:
        """Show what an event did."""
        self._shopper = shopper = scene.event.user_id
        self._coming = None
        self._scenes[shopper] = scene
        deed = Deed(self.phrases.of_event(scene.event), scene.note, scene.seconds)
        self._deeds.setdefault(shopper, deque(maxlen=REMEMBERED)).append(deed)
        self._played += bool(scene.note)
        if scene.seconds is not None:
            self._times.append(scene.seconds)

    def draw(self, width: int) -> RenderableType:
        """Return the screen for a terminal of so many columns."""
        footer = panels.invitation(self.invitation) if self.invitation else panels.legend()
        screen = Layout()
        screen.split_column(
            Layout(self._header(), size=HEADER),
            self._wide() if width >= WIDE else self._narrow(),
            Layout(footer, size=1 + len(self.invitation)),
        )
        return screen

    def _header(self) -> RenderableType:
        speed = f"p50 {percentile(self._times, 0.5) * 1e3:.1f} ms" if self._times else "…"
        return panels.header(self.address, self._played, self.total, speed)

    def _wide(self) -> Layout:
        body, right = Layout(), Layout(ratio=7)
        right.split_column(Layout(self._reasons(), ratio=3), Layout(self._interests(), ratio=2))
        body.split_row(Layout(self._done(), ratio=7), Layout(self._list(), ratio=9), right)
        return body

    def _narrow(self) -> Layout:
        body, below = Layout(), Layout()
        below.split_row(Layout(self._done()), Layout(self._reasons()))
        body.split_column(Layout(self._list(), size=SMALL_LIST), below)
        return body

    @property
    def _scene(self) -> Scene | None:
        return self._scenes.get(self._shopper)

    def _done(self) -> RenderableType:
        done = [*self._deeds.get(self._shopper, ()), *([self._coming] if self._coming else [])]
        return panels.framed(panels.deeds(done) if done else Text(), self._shopper or "shopper")

    def _list(self) -> RenderableType:
        scene = self._scene
        # While an event is on its way the list stands still.
        title = f"what {self._shopper} would like next" if self._shopper else "what they would like next"
        if scene is None:
            return panels.framed(Text("nothing known yet", style=panels.DIM), title)
        moved = [0] * len(scene.listing) if self._coming else scene.movements
        return panels.framed(panels.Ranking(scene.listing, moved, len(scene.interests)), title)

    def _reasons(self) -> RenderableType:
        scene = self._scene
        if scene is None or not scene.listing:
            return panels.framed(Text(), "why the first")
        return panels.framed(panels.reasons(scene.listing[0], self.phrases), "why the first")

    def _interests(self) -> RenderableType:
        found = self._scene.interests if self._scene else ()
        return panels.framed(panels.interests(found, self.phrases), "interests")
