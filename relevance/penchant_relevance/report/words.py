"""What the page explains, in plain words. Nothing here comes from a log."""

from collections.abc import Mapping

from penchant_relevance.measure import NEW_ITEM

VERDICTS = {"better": "clearly better than", "level": "level with", "worse": "clearly worse than"}

MODELS: Mapping[str, str] = {
    "Penchant": "the score that ships: what people come to together, and what the items' words say",
    "Penchant, trained": "the score with a sequence model beside it, trained on what comes before the asks",
    "Penchant, trained, through the service": "the same from a running service",
    "Penchant, through the service": "the same from a running service: events in and lists out over gRPC",
    "Penchant, exploring": "the same, with a share of the places of every list given to little-known items",
    "together only": "a part of it: only what people come to together",
    "text only": "a part of it: only what the items' words say",
    "with words": "the same, but what reviews say beside their stars counts too",
    "without words": "the same, but deaf to what reviews say beside their stars",
    "with dislikes": "the same, but disapproval pushes down what is like it",
    "without dislikes": "the same, but disapproval pushes nothing down that is like it",
    "fixed mixture": "the same parts with fixed weights, however much is known of an item",
    "popularity": "everybody gets what most users came to",
    "recent popularity": "everybody gets what users came to lately",
    "ItemKNN": "“who took this also took that”: items that share users",
    "EASE": "a linear model of items, fitted to what comes before the asks",
    "SASRec": "a network that reads what a user liked in order, trained on what comes before the asks",
}

LOOKS: Mapping[str, str] = {
    "coverage": "the part of all items that came up in any list: low means that everybody sees the same few",
    "novelty": "how little known the shown items are, in bits: one more means half as often visited",
    "new": f"the part of the places with items that fewer than {NEW_ITEM} users had come to",
    "diversity": "how unlike each other the words of the items of one list are: 0 all alike, 1 nothing in common",
}

EXPLANATIONS: Mapping[str, str] = {
    "agreement": (
        "how often the thing that an explanation names first is the one without which the item's score falls most, of "
        "all that the user did: 1 always"
    ),
    "slope": (
        "how much of what a thing is said to contribute is lost without it: 1 all of it; less, because what is left "
        "then weighs more"
    ),
}

VARIANTS: Mapping[str, Mapping[str, str]] = {
    "replay": {
        "live": "all that happened before the ask is known, down to the last click",
        "30 s late": "what happened in the half minute before is not known yet, of the user or of anybody",
        "1 h late": "nor is the last hour",
        "1 day late": "nor is the last day, as with a nightly job",
        "frozen": "nothing that happened since the asks began is known, as with a model that is never trained again",
    },
    "last item": {
        "live": "all that comes before the hidden item is learnt",
        "frozen": "what everybody turned to before the hidden item is not learnt either, though known of who asks",
    },
}

_ASKED: Mapping[str, str] = {
    "replay": (
        "A stretch of the log, its newest tenth unless said otherwise, is played again in the order of time. Whenever "
        "somebody turned to an item, liked it and had not met it before, a list was asked for just before; then what "
        "happened was learnt."
    ),
    "last item": (
        "Of everybody the last item that they liked and had not met before is hidden. A list is asked for with what "
        "comes before it."
    ),
}
_POINTS: Mapping[str, str] = {
    "What is hidden": (
        "What a user has met is not listed again, by any model. So a thing bought every month never counts as a hit."
    ),
    "Full ranking": (
        "Every other item of the catalogue is in the running. Elsewhere the right item is often ranked among a hundred "
        "drawn ones: such figures are far higher, and say nothing beside these."
    ),
    "Recall@10": "the part of the items that people turned to next that stood among the first 10",
    "NDCG@10": (
        "the same, where a place further up counts for more: 1 if what came next stood on top, 0.63 on the second "
        "place, 0.29 on the tenth, 0 below"
    ),
    "MRR@10": "one over the place of the first hit: 1 on top, 0.5 on the second place, 0 below the tenth",
    "Low figures": (
        "One item of thousands is asked for, so a tenth can be good. What counts is the lead over simple baselines on "
        "the same log; figures of two logs cannot be compared."
    ),
    "Intervals": (
        "Users are drawn anew a thousand times from those who asked; 95 % of the results lie within. A difference is "
        "called clear if its own interval, over the same users, does not hold 0: two bars whose whiskers overlap may "
        "still differ clearly."
    ),
    "New items": f"items that fewer than {NEW_ITEM} users had come to when somebody turned to them",
    "What this does not say": (
        "Whether people act otherwise because of a list. The log knows what they did with the lists of its day; a test "
        "with real users knows more."
    ),
}


def reading(plan: str) -> str:
    """Return the section that says how to read the page, by how the log was asked."""
    points = {**({"What is asked": _ASKED[plan]} if plan in _ASKED else {}), **_POINTS}
    return f"<section><h2>How to read this</h2>{listed(points)}</section>"


def listed(words: Mapping[str, str]) -> str:
    """Return terms and what they mean, which must be this module's own, as a list."""
    return f"<dl>{''.join(f'<dt>{term}</dt><dd>{meaning}</dd>' for term, meaning in words.items())}</dl>"
