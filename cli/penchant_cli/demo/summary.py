"""What the play showed, as plain lines, and which of the product's promises it kept. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penchant_cli.demo.phrases import KINDS, Phrases, shares, title_of
from penchant_cli.demo.play import PATIENCE, Scene, percentile

FOUNDING = ("article-zh-banana", "article-zh-apple-vitamins")
"""What mei's two sayings are to bring, first and second."""
SAYINGS = 2
TOP = 3
EXACT = 1e-4
"""What a score may differ from the sum of its reasons, by the contract."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that the play was to show."""

    kept: bool
    text: str
    """One line: what was promised and what was counted."""


def promises(scenes: Sequence[Scene], *, repeat_changed_nothing: bool) -> list[Promise]:
    """Return every promise, the founding example's first; *scenes* is the whole story."""
    return [
        _founding(scenes),
        _pushed(scenes),
        _agreed(scenes),
        _explained(scenes),
        _unseen(scenes),
        _languages(scenes),
        Promise(repeat_changed_nothing, "an event that was sent twice counted once"),
    ]


def _founding(scenes: Sequence[Scene]) -> Promise:
    scene = scenes[SAYINGS - 1]
    first = tuple(one.item_id for one in scene.listing[:2])
    if first != FOUNDING:
        return Promise(
            kept=False, text=f"two sayings about fruit were to bring {FOUNDING} first and second, not {first}"
        )
    titles = " and ".join(title_of(one) for one in scene.listing[:2])
    return Promise(kept=True, text=f"two sayings about fruit, and not one click, brought {titles} first and second")


def _pushed(scenes: Sequence[Scene]) -> Promise:
    times = [scene.seconds for scene in scenes if scene.seconds is not None]
    if not times:
        return Promise(kept=False, text="no event moved its shopper's list")
    text = f"{len(times)} of {len(scenes)} events moved their shopper's list, and each new list was pushed: "
    text += f"event → push {speed(times)}"
    return Promise(max(times) <= PATIENCE, text)


def _agreed(scenes: Sequence[Scene]) -> Promise:
    same = sum(scene.agreed for scene in scenes)
    return Promise(same == len(scenes), f"{same} of {len(scenes)} lists were the same when asked for right afterwards")


def _explained(scenes: Sequence[Scene]) -> Promise:
    found = [one for scene in scenes for one in scene.listing]
    off = sum(abs(sum(reason.contribution for reason in one.reasons) - one.score) > EXACT for one in found)
    return Promise(off == 0, f"the reasons of {len(found) - off} of {len(found)} listed items add up to their scores")


def _unseen(scenes: Sequence[Scene]) -> Promise:
    acted: dict[str, set[str]] = {}
    listed = again = 0
    for scene in scenes:
        mine = acted.setdefault(scene.event.user_id, set())
        mine.add(scene.event.item_id)
        listed += len(scene.listing)
        again += sum(one.item_id in mine for one in scene.listing)
    return Promise(again == 0, f"{again} of {listed} listed items were ones that their shopper had acted on")


def _languages(scenes: Sequence[Scene]) -> Promise:
    spoken = [scene for scene in scenes if scene.event.text]
    both = sum(
        len({bool(_CHINESE.search(one.item.title)) for one in scene.listing if one.item}) > 1 for scene in spoken
    )
    return Promise(both > 0, f"{both} of {len(spoken)} searches and sayings found titles in both languages")


def speed(seconds: Sequence[float]) -> str:
    """Return median and 99th percentile of at least one time."""
    return f"p50 {percentile(seconds, 0.5) * 1e3:.1f} ms, p99 {percentile(seconds, 0.99) * 1e3:.1f} ms"


def told(scenes: Sequence[Scene], phrases: Phrases) -> Iterator[str]:
    """Yield the story in lines: the founding example with its reasons, then every shopper with the top of the list."""
    founding = scenes[:SAYINGS]
    for scene in founding:
        yield f"{scene.event.user_id} {phrases.of_event(scene.event)}"
    for place, one in enumerate(founding[-1].listing[:2]):
        yield f"  {place + 1}. {title_of(one)}"
        for share, reason in shares(one)[:TOP]:
            yield f"     {share:+.0%} {KINDS[reason.kind]}: {phrases.of_reason(reason)}".rstrip(": ")
    rest = scenes[SAYINGS:]
    for shopper in dict.fromkeys(scene.event.user_id for scene in rest):
        mine = [scene for scene in rest if scene.event.user_id == shopper]
        later = ", later," if shopper == founding[0].event.user_id else ""
        yield ""
        yield f"{shopper}{later} {', '.join(phrases.of_event(scene.event) for scene in mine)}"
        yield "  → " + " · ".join(title_of(one) for one in mine[-1].listing[:TOP])
