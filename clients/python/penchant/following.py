"""The list of one stream, across all its connections: applies differences and knows how to go on. Pure.

Theory of operation: the service sends the whole order with every update but details only of items that were not in the
update before, so the details of the current order, and no others, are kept. Every update has a sequence number and a
resume token. When a connection ends, :meth:`Following.opening` asks for a stream that continues after the last update
received, with its token and the newest options. The token knows what was shown before that update; what was shown since
is told with it. An update whose number is not above the last one is a repetition and is passed over.
"""

from penchant import decode, results
from penchant.errors import Internal
from penchant.v1 import recommendation_pb2 as pb

MAX_POSITIONS = 100
"""Longest list that the contract allows."""


def merged(earlier: pb.RecommendationUpdate, later: pb.RecommendationUpdate) -> pb.RecommendationUpdate:
    """Return one update in the place of two that follow each other: the later list, with the details of both."""
    update = pb.RecommendationUpdate()
    update.CopyFrom(later)
    told = {one.item_id for one in later.recommendations}
    lacking = set(later.order) - told
    update.recommendations.extend(one for one in earlier.recommendations if one.item_id in lacking)
    if earlier.HasField("trigger") and not later.HasField("trigger"):
        update.trigger.CopyFrom(earlier.trigger)
    return update


class Following:
    """What the client knows of one stream of recommendations."""

    def __init__(self, start: pb.StreamStart) -> None:
        self._start = start
        self._details: dict[str, results.Recommendation] = {}
        self._order: tuple[str, ...] = ()
        self.sequence = 0
        """Number of the last update received; 0 before the first."""
        self.going_away = False
        """True when the service said that it ends the current connection."""

    @property
    def resumable(self) -> bool:
        """True when the stream can go on where it stopped."""
        return bool(self._start.resume_token)

    def opening(self) -> pb.StreamStart:
        """Return how the next connection begins."""
        self.going_away = False
        return self._start

    def introduction(self) -> pb.StreamRecommendationsRequest:
        """Return what to say first on the next connection of a stream in both directions."""
        return pb.StreamRecommendationsRequest(open=self.opening())

    def shown(self, positions: int, sequence: int) -> pb.StreamRecommendationsRequest:
        """Keep in mind that the first so many positions of an update are seen; return the message that says so.

        Raises ValueError for an update that was not received and, of the last one, for more positions than it has.
        """
        if not 1 <= sequence <= self.sequence:
            raise ValueError(f"sequence: update {sequence} was not received, the last one is {self.sequence}")
        most = len(self._order) if sequence == self.sequence else MAX_POSITIONS
        if not 0 <= positions <= most:
            raise ValueError(f"positions: {positions} is not within 0–{most}")
        shown = pb.StreamRecommendationsRequest.Shown(positions=positions, stream_sequence=sequence)
        message = pb.StreamRecommendationsRequest(shown=shown)
        if sequence == self.sequence:
            self._start.shown_positions = positions
        return message

    def change(self, options: pb.ListOptions) -> pb.StreamRecommendationsRequest:
        """Keep in mind what the list should look like from now on; return the message that says so."""
        self._start.options.CopyFrom(options)
        self._start.shown_positions = 0
        return pb.StreamRecommendationsRequest(change=options)

    def accept(self, message: pb.RecommendationUpdate) -> results.Update | None:
        """Return the whole list after this update; None when it was received before.

        Raises Internal when the update leaves out details of an item that was not in the update before.
        """
        self.going_away = message.going_away
        self._start.resume_token = message.resume_token
        self._start.min_freshness = ""  # the first update has waited for it
        if message.stream_sequence <= self.sequence:
            return None
        # A snapshot brings all details anew, so it needs no case of its own.
        details = self._details | {one.item_id: decode.recommendation(one) for one in message.recommendations}
        order = tuple(message.order)
        missing = [item_id for item_id in order if item_id not in details]
        if missing:
            raise Internal(f"update {message.stream_sequence} of the stream has no details of {missing[0]!r}")
        changed = order != self._order or self.sequence == 0
        self._details = {item_id: details[item_id] for item_id in order}
        self._order = order
        self._start.shown_positions = 0
        self.sequence = message.stream_sequence
        return results.Update(
            recommendations=tuple(self._details.values()),
            sequence=self.sequence,
            changed=changed,
            trigger=decode.trigger(message.trigger) if message.HasField("trigger") else None,
            attribution_token=message.attribution_token,
            freshness=decode.freshness(message.freshness),
            profile=message.profile,
            model=message.model,
        )
