"""Parts of the play's screen. Pure: values in, renderables out; each fits itself to the room it is given."""

from collections.abc import Sequence
from dataclasses import dataclass

import penchant
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from penchant_cli.demo.phrases import KINDS, Phrases, shares, title_of

BAR = 10
"""Characters of a whole bar."""
ROW_LINES = 3
"""Lines of an item where there is room: title, category, air."""
REASONS = 5
INTERESTS = 4
EVIDENCE = 2
"""Events named for an interest."""
DIM = "bright_black"
KIND_STYLES = {
    penchant.ReasonKind.CONTENT: "cyan",
    penchant.ReasonKind.TOGETHER: "magenta",
    penchant.ReasonKind.POPULARITY: "yellow",
    penchant.ReasonKind.DISLIKED: "red",
    penchant.ReasonKind.LEARNED: "green",
    penchant.ReasonKind.UNKNOWN: "white",
}
INTEREST_STYLES = ("bright_green", "bright_blue", "bright_magenta", "bright_yellow", "bright_cyan")


@dataclass(frozen=True, slots=True)
class Deed:
    """What a shopper did, in words."""

    text: str
    note: str = ""
    """What to notice."""
    seconds: float | None = None
    """From event to push; None when there is nothing to tell."""
    coming: bool = False
    """True while it is about to be sent."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Shows the end of something that is longer than its room."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the last lines."""
        lines = console.render_lines(self.content, options.update(height=None), pad=False)
        for line in lines[-(options.height or len(lines)) :]:
            yield from line
            yield Segment.line()


@dataclass(frozen=True, slots=True)
class Ranking:
    """A list with what moved; one to three lines an item, as the room allows."""

    listing: Sequence[penchant.Recommendation]
    movements: Sequence[int | None]
    interests: int
    """How many interests the shopper has; the one an item serves is marked when there are several."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the items."""
        del console
        room = options.height or ROW_LINES * len(self.listing)
        lines = max(1, min(ROW_LINES, (room + 1) // max(1, len(self.listing))))
        grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(width=3, no_wrap=True)
        grid.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        if lines == 1:
            grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style=DIM)
        grid.add_column(width=1, no_wrap=True)
        for place, (one, moved) in enumerate(zip(self.listing, self.movements, strict=True), 1):
            title = Text(title_of(one), style="bold" if place == 1 else "")
            category = Text(one.item.categories[0] if one.item and one.item.categories else "", style=DIM)
            number = interest_number(one.interest) if self.interests > 1 else Text()
            head = (Text(str(place), style=DIM), arrow(moved))
            if lines == 1:
                grid.add_row(*head, title, category, number)
            else:
                air = [Text()] * (lines - 2)
                grid.add_row(*head, Group(title, category, *air), number)
        yield grid


def arrow(moved: int | None) -> Text:
    """Return how an item moved, in at most three characters."""
    if moved is None:
        return Text("new", style="bold bright_green")
    if moved == 0:
        return Text("")
    return Text(f"▲{moved}", style="bright_green") if moved > 0 else Text(f"▼{-moved}", style="red")


def interest_number(number: int) -> Text:
    """Return the mark of an interest, from 0."""
    return Text(str(number + 1), style=INTEREST_STYLES[number % len(INTEREST_STYLES)])


def bar(share: float, style: str) -> Text:
    """Return a bar of a share, −1 to 1, on its rail; at least a sliver for a share above 0."""
    filled = max(1, round(abs(share) * BAR)) if share else 0
    return Text.assemble(("━" * filled, style), ("─" * (BAR - filled), "grey35"))


def framed(content: RenderableType, title: str) -> Panel:
    """Return a part of the screen in its frame."""
    return Panel(content, title=Text(title, style="bold", overflow="ellipsis"), title_align="left", border_style=DIM)


def header(address: str, played: int, total: int, speed: str) -> Panel:
    """Return the head of the screen: what this is, where it answers, how far the story is, how fast pushes are."""
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(
        Text.assemble(("Penchant", "bold bright_magenta"), "  real-time recommendations over gRPC"),
        Text.assemble(("event → push ", DIM), (speed, "bold bright_green")),
    )
    grid.add_row(
        Text("interests that follow the last click, in any language", style=DIM),
        Text.assemble((f"{address}   ", DIM), bar(played / max(1, total), "bright_magenta"), f" {played}/{total}"),
    )
    return Panel(grid, border_style=DIM)


def deeds(done: Sequence[Deed]) -> RenderableType:
    """Return what a shopper did, oldest first; the last one stands out."""
    lines: list[Text] = []
    for deed in done:
        last = deed is done[-1]
        lines.append(Text.assemble(("❯ ", "bright_magenta" if last else DIM), (deed.text, "bold" if last else "")))
        if deed.coming:
            lines.append(Text("  …", style=DIM))
        elif last and deed.seconds is not None:
            lines.append(Text(f"  pushed after {deed.seconds * 1e3:.1f} ms", style="bright_green"))
        if deed.note and not deed.coming:
            lines.append(Text(deed.note, style="italic yellow" if last else f"italic {DIM}"))
        lines.append(Text())
    return Tail(Group(*lines[:-1]))


def reasons(one: penchant.Recommendation, phrases: Phrases) -> RenderableType:
    """Return why an item is listed: signed shares that add up, strongest first."""
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True, width=5)
    grid.add_column(ratio=1)
    for share, reason in shares(one)[:REASONS]:
        style = KIND_STYLES[reason.kind]
        head = Text.assemble(bar(share, style), " ", (KINDS[reason.kind], style), no_wrap=True, overflow="ellipsis")
        event = phrases.of_reason(reason)
        body = Group(head, Text(event)) if event else head
        grid.add_row(Text(f"{share:+.0%}", style=style), body)
    return Group(Text(title_of(one), style="bold", no_wrap=True, overflow="ellipsis"), Text(), grid)


def interests(found: Sequence[penchant.Interest], phrases: Phrases) -> RenderableType:
    """Return a shopper's interests with the events that weigh most."""
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(ratio=1)
    for place, interest in enumerate(found[:INTERESTS]):
        style = INTEREST_STYLES[place % len(INTEREST_STYLES)]
        head = Text.assemble(bar(interest.share, style), (f" {interest.share:.0%}", style))
        events = [Text(phrases.of_evidence(e), no_wrap=True, overflow="ellipsis") for e in interest.evidence[:EVIDENCE]]
        grid.add_row(interest_number(place), Group(head, *events))
    return grid


def invitation(commands: Sequence[str]) -> RenderableType:
    """Return what to type in another terminal, each command on a line of its own so that it can be copied."""
    head = Text.assemble(
        ("The story is over; the service still listens. ", "bold"), ("In another terminal (Ctrl-C ends):", DIM)
    )
    return Group(head, *(Text(command, style="bright_cyan", no_wrap=True, overflow="fold") for command in commands))


def legend() -> RenderableType:
    """Return how to read the screen."""
    return Text.assemble(
        " ", arrow(2), " up  ", arrow(-1), " down  ", arrow(None), " not listed before   ",
        ("1 2 3 which interest an item serves   Ctrl-C ends", DIM),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
