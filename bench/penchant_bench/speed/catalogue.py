"""A made-up shop: items with words that differ, users with a few topics each, and what they did. Seeded throughout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from penchant.v1 import catalog_pb2, event_pb2

BEGIN = 1_735_689_600
"""2025-01-01 in seconds since 1970: when the first event happened."""
STEP = 10
"""Seconds from one event to the next."""


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split(","))


_KINDS = _listed(
    "tent,sleeping bag,backpack,head torch,camping stove,trail shoe,running sock,rain jacket,bicycle helmet,"
    "bicycle pump,yoga mat,dumbbell,tennis racket,football,swim goggles,fishing rod,climbing rope,ski glove,"
    "espresso machine,teapot,frying pan,kitchen knife,cutting board,rice cooker,blender,lunch box,water bottle,"
    "desk lamp,office chair,bookshelf,floor rug,curtain,pillow,blanket,wall clock,picture frame,plant pot,"
    "garden hose,lawn mower,hammer,cordless drill,screwdriver set,paint roller,laptop sleeve,keyboard,mouse,"
    "monitor stand,headphones,loudspeaker,phone case,charging cable,camera tripod,memory card,board game,"
    "jigsaw puzzle,building blocks,teddy bear,baby carrier,pram,nappy bag,dog lead,cat tree,bird feeder,"
    "notebook,fountain pen,watercolour set,guitar string,violin bow,drum stick,face cream,shampoo,lipstick,perfume"
)
_LOOKS = _listed(
    "light,sturdy,foldable,waterproof,warm,quiet,compact,large,elegant,simple,classic,modern,cheerful,soft,slim,"
    "professional,hand-made,recycled,vintage,two-piece,magnetic,adjustable,padded,insulated,cordless,washable"
)
_MATTER = _listed(
    "cotton,linen,wool,leather,steel,aluminium,bamboo,oak,glass,ceramic,rubber,silicone,titanium,carbon,cork,paper"
)
_USES = _listed(
    "long journeys,small flats,children,beginners,winter,summer,rainy days,the office,the garden,weekends,students,"
    "travel,families,professionals,daily use,the beach,mountains,quiet evenings,parties,gifts,older people,commuters"
)
_COLOURS = _listed("black,white,grey,navy,red,green,yellow,orange,purple,brown,teal,pink,silver,gold")
_TYPES = ("view", "click", "add_to_cart", "purchase", "like")
_TYPE_SHARES = (0.6, 0.15, 0.1, 0.1, 0.05)


@dataclass(frozen=True)
class Shop:
    """So many items and users; the same numbers and seed give the same shop."""

    items: int
    users: int
    seed: int = 7

    @cached_property
    def _random(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def item(self, number: int) -> catalog_pb2.Item:
        """Return an item. It depends on its number and the seed only."""
        random = np.random.default_rng((self.seed, number))
        kind = number % len(_KINDS)
        title = f"{_one(_LOOKS, random)} {_one(_MATTER, random)} {_KINDS[kind]} for {_one(_USES, random)}"
        return catalog_pb2.Item(
            item_id=item_id(number),
            title=f"{title}, {_one(_COLOURS, random)}, no. {number}",
            categories=[_KINDS[kind]],
            price=float(random.integers(100, 20_000)) / 100.0,
        )

    def upserts(self, size: int = 256) -> Iterator[catalog_pb2.UpsertItemsRequest]:
        """Yield the whole catalogue."""
        for start in range(0, self.items, size):
            numbers = range(start, min(self.items, start + size))
            yield catalog_pb2.UpsertItemsRequest(items=[self.item(number) for number in numbers])

    def events(self, mean: int = 15) -> Iterator[event_pb2.Event]:
        """Yield what users did, 2/3 to 4/3 of *mean* events each, in the order of time: users come in turn."""
        random = np.random.default_rng((self.seed, 1))
        counts = random.integers(mean * 2 // 3, mean * 4 // 3 + 1, self.users)
        actors = np.repeat(np.arange(self.users), counts)
        random.shuffle(actors)
        topics = random.integers(0, len(_KINDS), (self.users, 3))
        for number, actor in enumerate(actors.tolist()):
            topic = int(random.choice(topics[actor], p=(0.6, 0.3, 0.1)))
            if random.random() < 0.04:
                yield said(number, actor, words(random, topic))
            else:
                yield did(number, actor, self._liked(random, topic), _type(random))

    def _liked(self, random: np.random.Generator, topic: int) -> int:
        """Return an item of a topic; the low numbers of each topic are the popular ones."""
        shelf = max(1, (self.items - topic + len(_KINDS) - 1) // len(_KINDS))
        place = int(shelf * random.random() ** 2)
        return min(self.items - 1, topic + place * len(_KINDS))


def item_id(number: int) -> str:
    """Return an item's id."""
    return f"item-{number:06d}"


def user_id(number: int) -> str:
    """Return a user's id."""
    return f"user-{number:06d}"


def did(number: int, user: int, item: int, kind: str = "view") -> event_pb2.Event:
    """Return an event on an item; *number* makes its id and time."""
    event = event_pb2.Event(event_id=f"e{number}", user_id=user_id(user), type=kind, item_id=item_id(item))
    event.occurred_at.seconds = BEGIN + number * STEP
    return event


def said(number: int, user: int, text: str) -> event_pb2.Event:
    """Return a search; *number* makes its id and time."""
    event = event_pb2.Event(event_id=f"e{number}", user_id=user_id(user), type="search", text=text)
    event.occurred_at.seconds = BEGIN + number * STEP
    return event


def words(random: np.random.Generator, topic: int | None = None) -> str:
    """Return words that somebody may search for."""
    kind = _KINDS[topic] if topic is not None else _one(_KINDS, random)
    return f"{_one(_LOOKS, random)} {kind} for {_one(_USES, random)}"


def new_texts(count: int, seed: int) -> list[str]:
    """Return texts, some 45 bytes each, that no other *seed* has and that stand in no shop."""
    random = np.random.default_rng((seed, 2))
    return [f"{words(random)} {seed:x}-{number}" for number in range(count)]


def _type(random: np.random.Generator) -> str:
    return str(random.choice(_TYPES, p=_TYPE_SHARES))


def _one(of: Sequence[str], random: np.random.Generator) -> str:
    return of[int(random.integers(len(of)))]
