package dev.penchant.client.driver;

import dev.penchant.client.Acknowledged;
import dev.penchant.client.PenchantException;
import dev.penchant.client.Recommendation;
import dev.penchant.client.UnansweredException;
import dev.penchant.client.Update;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** From what the client gives to the driver's JSON. */
final class Answers {
    private Answers() {}

    static Map<String, Object> failed(RuntimeException failure) {
        if (failure instanceof UnansweredException && failure.getCause() instanceof RuntimeException cause) {
            return failed(cause);
        }
        String kind = failure.getClass().getSimpleName().replace("Exception", "");
        if (failure instanceof PenchantException told) {
            Long retryAfter = told.retryAfter().map(one -> one.toMillis()).orElse(null);
            return error(kind, told.reason(), told.field(), told.getMessage(), retryAfter);
        }
        if (failure instanceof Refusal refusal) {
            return error(refusal.kind, "", "", refusal.getMessage(), null);
        }
        // Values that cannot be sent are refused before anything was.
        String ours = failure instanceof IllegalArgumentException ? "InvalidArgument" : "Driver." + kind;
        return error(ours, "", "", String.valueOf(failure.getMessage()), null);
    }

    static Map<String, Object> listed(List<Recommendation> items) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("order", items.stream().map(Recommendation::itemId).toList());
        answer.put("list", items.stream().map(Answers::recommended).toList());
        return answer;
    }

    static Map<String, Object> updated(Update update) {
        Map<String, Object> answer = listed(update.items());
        answer.put("sequence", update.sequence());
        answer.put("changed", update.changed());
        answer.put(
                "trigger",
                update.trigger() == null
                        ? null
                        : Map.of(
                                "event_id", update.trigger().eventId(),
                                "type", update.trigger().type(),
                                "item_id", update.trigger().itemId()));
        return answer;
    }

    static Map<String, Object> acknowledged(List<Acknowledged> answers) {
        String token = "";
        for (Acknowledged one : answers) {
            token = one.freshnessToken().isEmpty() ? token : one.freshnessToken();
        }
        return Map.of("acknowledged", answers.stream().map(Answers::acknowledged).toList(), "freshness_token", token);
    }

    private static Map<String, Object> acknowledged(Acknowledged one) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("ordinal", one.ordinal());
        answer.put("event_id", one.eventId());
        answer.put("unchanged", one.unchanged());
        answer.put("error", one.error() == null ? null : failed(one.error()));
        return answer;
    }

    private static Map<String, Object> recommended(Recommendation one) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("item_id", one.itemId());
        answer.put("score", one.score());
        if (one.item() != null) {
            answer.put("title", one.item().title());
        }
        answer.put("reasons", one.reasons().stream()
                .map(reason -> Map.of(
                        "kind", reason.kind().name().toLowerCase(Locale.ROOT),
                        "contribution", reason.contribution()))
                .toList());
        return answer;
    }

    private static Map<String, Object> error(
            String kind, String reason, String field, String message, Long retryAfter) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("kind", kind);
        answer.put("reason", reason);
        answer.put("field", field);
        answer.put("message", message);
        answer.put("retry_after", retryAfter);
        return answer;
    }

    /** An error of the driver itself. */
    static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final String kind;

        Refusal(String kind, String message) {
            super(message);
            this.kind = kind;
        }
    }
}
