"""What shoppers did and why items are listed, in words."""

from collections.abc import Mapping

import penchant

VERBS = {
    "view": "looks at",
    "click": "opens",
    "dwell": "stays with",
    "add_to_cart": "puts in the cart",
    "purchase": "buys",
    "like": "likes",
    "follow": "follows",
    "rate": "rates",
    "review": "reviews",
    "search": "searches",
    "dislike": "dislikes",
    "hide": "hides",
}
KINDS = {
    penchant.ReasonKind.CONTENT: "close in meaning",
    penchant.ReasonKind.TOGETHER: "often together",
    penchant.ReasonKind.POPULARITY: "popular now",
    penchant.ReasonKind.DISLIKED: "near a dislike",
    penchant.ReasonKind.LEARNED: "comes next for others",
    penchant.ReasonKind.UNKNOWN: "other evidence",
}


class Phrases:
    """Says things about items by their titles."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = titles

    def deed(self, type_: str, item_id: str, text: str, value: float | None = None) -> str:
        """Return what a user did, for example ``searches “trail shoes”``."""
        if not type_:
            return "sees the catalogue change"
        if type_ == "review" and not item_id:
            return f"says “{text}”"
        parts = [VERBS.get(type_, type_)]
        if item_id:
            parts.append(self._titles.get(item_id, item_id))
        if type_ == "rate" and value is not None:
            parts.append("★" * round(value) + "☆" * (5 - round(value)))
        if text:
            parts.append(f"“{text}”")
        return " ".join(parts)

    def of_event(self, event: penchant.Event) -> str:
        """Return what the user of an event did."""
        return self.deed(event.type, event.item_id, event.text, event.value)

    def of_evidence(self, evidence: penchant.Evidence) -> str:
        """Return the event that an interest rests on."""
        return self.deed(evidence.type, evidence.item_id, evidence.text)

    def of_reason(self, reason: penchant.Reason) -> str:
        """Return the event behind a reason; empty for popularity."""
        return self.deed(reason.event_type, reason.item_id, reason.text) if reason.event_type else ""


def shares(one: penchant.Recommendation) -> list[tuple[float, penchant.Reason]]:
    """Return each reason with its signed part of all that speaks for and against the item; sizes add up to 1."""
    whole = sum(abs(reason.contribution) for reason in one.reasons) or 1.0
    return [(reason.contribution / whole, reason) for reason in one.reasons]


def title_of(one: penchant.Recommendation) -> str:
    """Return what to call an item."""
    return one.item.title if one.item and one.item.title else one.item_id
