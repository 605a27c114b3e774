package dev.penchant.client;

import java.time.Duration;
import java.time.Instant;
import java.util.List;

/** From the contract's messages to the client's results. Pure; the reverse of {@link Encode}. */
final class Decode {
    private Decode() {}

    static Recorded recorded(dev.penchant.v1.RecordEventResponse message) {
        return new Recorded(message.getEventId(), message.getFreshnessToken(), message.getUnchanged());
    }

    static Event event(dev.penchant.v1.Event message) {
        return new Event(
                message.getUserId(),
                message.getType(),
                message.getItemId(),
                message.getText(),
                message.hasValue() ? message.getValue() : null,
                message.hasOccurredAt() ? instant(message.getOccurredAt()) : null,
                message.getEventId(),
                message.getSurface(),
                message.getAttributionToken());
    }

    static Item item(dev.penchant.v1.Item message) {
        return new Item(
                message.getItemId(),
                message.getTitle(),
                message.getDescription(),
                message.getCategoriesList(),
                message.hasPrice() ? message.getPrice() : null,
                message.getUnavailable(),
                message.getAttributesMap(),
                message.getImagesList());
    }

    static List<Recommendation> recommended(List<dev.penchant.v1.Recommendation> messages) {
        return messages.stream().map(Decode::recommendation).toList();
    }

    static Recommendation recommendation(dev.penchant.v1.Recommendation message) {
        return new Recommendation(
                message.getItemId(),
                message.getScore(),
                message.getInterest(),
                message.hasItem() ? item(message.getItem()) : null,
                message.getExplanation().getReasonsList().stream().map(Decode::reason).toList(),
                message.getPropensity());
    }

    static Recommendations recommendations(dev.penchant.v1.RecommendResponse message) {
        return new Recommendations(
                recommended(message.getRecommendationsList()),
                message.getAttributionToken(),
                freshness(message.getFreshness()),
                message.getProfile(),
                message.getModel());
    }

    static Freshness freshness(dev.penchant.v1.Freshness message) {
        return new Freshness(message.getAppliedThrough(), duration(message.getAge()));
    }

    static Trigger trigger(dev.penchant.v1.Trigger message) {
        return new Trigger(message.getEventId(), message.getType(), message.getItemId(), message.getText());
    }

    static Interests interests(dev.penchant.v1.GetInterestsResponse message) {
        return new Interests(
                message.getInterestsList().stream().map(Decode::interest).toList(),
                message.getDislikesList().stream().map(Decode::evidence).toList(),
                message.getEventCount(),
                freshness(message.getFreshness()));
    }

    static Duration duration(com.google.protobuf.Duration message) {
        return Duration.ofSeconds(message.getSeconds(), message.getNanos());
    }

    private static Interest interest(dev.penchant.v1.Interest message) {
        return new Interest(message.getShare(), message.getEvidenceList().stream().map(Decode::evidence).toList());
    }

    private static Evidence evidence(dev.penchant.v1.Evidence message) {
        return new Evidence(
                message.getEventId(),
                message.getType(),
                message.getItemId(),
                message.getText(),
                instant(message.getOccurredAt()),
                message.getWeight());
    }

    private static Reason reason(dev.penchant.v1.Reason message) {
        ReasonKind kind = switch (message.getKind()) {
            case KIND_CONTENT -> ReasonKind.CONTENT;
            case KIND_TOGETHER -> ReasonKind.TOGETHER;
            case KIND_POPULARITY -> ReasonKind.POPULARITY;
            case KIND_DISLIKED -> ReasonKind.DISLIKED;
            case KIND_LEARNED -> ReasonKind.LEARNED;
            case KIND_UNSPECIFIED, UNRECOGNIZED -> ReasonKind.UNKNOWN;
        };
        return new Reason(
                kind,
                message.getContribution(),
                message.getEventId(),
                message.getEventType(),
                message.getItemId(),
                message.getText());
    }

    private static Instant instant(com.google.protobuf.Timestamp message) {
        return Instant.ofEpochSecond(message.getSeconds(), message.getNanos());
    }
}
