package dev.penchant.client.driver;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import dev.penchant.client.Client;
import dev.penchant.client.DeleteResult;
import dev.penchant.client.Interests;
import dev.penchant.client.Recommendations;
import dev.penchant.client.RecommendationStream;
import dev.penchant.client.Recorded;
import dev.penchant.client.Recorder;
import dev.penchant.client.Update;
import dev.penchant.client.UpdateStream;
import dev.penchant.client.UpsertResult;
import dev.penchant.client.driver.Answers.Refusal;
import dev.penchant.v1.RecommendRequest;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** What the driver holds open, by name, and the verbs on it. */
final class Session implements AutoCloseable {
    /** What follows the last update there is comes sooner than this, or is not there. */
    private static final Duration QUIET = Duration.ofMillis(300);

    private final Map<String, Client> clients = new HashMap<>();
    private final Map<String, Recorder> recorders = new HashMap<>();
    private final Map<String, UpdateStream> streams = new HashMap<>();
    private final Map<String, Verb> verbs = new HashMap<>();

    private interface Verb {
        Map<String, ?> perform(Client client, JsonObject request);
    }

    Session() {
        verbs.put("close", this::close);
        verbs.put("record", this::record);
        verbs.put("upsert", this::upsert);
        verbs.put("delete", this::delete);
        verbs.put("recommend", this::recommend);
        verbs.put("similar", (client, asked) ->
                Answers.listed(client.similar(Requests.text(asked, "item_id"), Requests.options(asked))));
        verbs.put("search", (client, asked) ->
                Answers.listed(client.search(Requests.text(asked, "query"), Requests.options(asked))));
        verbs.put("interests", this::interests);
        verbs.put("record_many", (client, asked) -> Answers.acknowledged(
                client.recordMany(Requests.each(asked, "events", Requests::event), Requests.sends(asked))));
        verbs.put("open_recorder", this::openRecorder);
        verbs.put("put", this::put);
        verbs.put("flush", (client, asked) -> Answers.acknowledged(recorder(asked).flush()));
        verbs.put("close_recorder", this::closeRecorder);
        verbs.put("open_stream", this::openStream);
        verbs.put("next", this::next);
        verbs.put("latest", this::latest);
        verbs.put("shown", this::shown);
        verbs.put("change", this::change);
        verbs.put("close_stream", this::closeStream);
        verbs.put("raw", this::raw);
        verbs.put("measure", Measure::perform);
    }

    Map<String, ?> perform(JsonObject asked) {
        String verb = Requests.text(asked, "do");
        String name = Requests.has(asked, "client") ? Requests.text(asked, "client") : "main";
        if (verb.equals("connect")) {
            clients.put(name, Requests.client(asked));
            return Map.of();
        }
        if (!verbs.containsKey(verb) || !clients.containsKey(name)) {
            throw new Refusal("Unsupported", verb + " of client " + name);
        }
        return verbs.get(verb).perform(clients.get(name), asked);
    }

    /** Closes the clients, and leaves it to them to close what was opened on them. */
    @Override
    public void close() {
        RuntimeException failed = null;
        for (Client client : clients.values()) {
            try {
                client.close();
            } catch (RuntimeException failure) {
                failed = failure;
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    private Map<String, ?> close(Client client, JsonObject asked) {
        client.close();
        return Map.of();
    }

    private Map<String, ?> record(Client client, JsonObject asked) {
        Recorded found = client.record(Requests.event(asked.get("event")));
        return Map.of(
                "event_id", found.eventId(), "freshness_token", found.freshnessToken(), "unchanged", found.unchanged());
    }

    private Map<String, ?> upsert(Client client, JsonObject asked) {
        UpsertResult found =
                client.upsertItems(Requests.each(asked, "items", Requests::item), Requests.sends(asked));
        List<?> refused = found.refused().stream()
                .map(one -> Map.of(
                        "index", one.index(), "item_id", one.itemId(), "error", Answers.failed(one.error())))
                .toList();
        return Map.of("accepted", found.accepted(), "refused", refused);
    }

    private Map<String, ?> delete(Client client, JsonObject asked) {
        DeleteResult found = client.deleteItems(Requests.texts(asked, "item_ids"));
        return Map.of("deleted", found.deleted(), "unknown", found.unknown());
    }

    private Map<String, ?> recommend(Client client, JsonObject asked) {
        Recommendations found =
                client.recommend(Requests.text(asked, "user_id"), Requests.options(asked), Requests.reads(asked));
        Map<String, Object> answer = Answers.listed(found.items());
        answer.put("attribution_token", found.attributionToken());
        return answer;
    }

    private Map<String, ?> interests(Client client, JsonObject asked) {
        Interests found = client.interests(Requests.text(asked, "user_id"), Requests.reads(asked));
        return Map.of(
                "event_count", found.eventCount(),
                "interests", found.interests().size(),
                "dislikes", found.dislikes().size());
    }

    private Map<String, ?> openRecorder(Client client, JsonObject asked) {
        recorders.put(Requests.text(asked, "name"), client.recorder(Requests.sends(asked)));
        return Map.of();
    }

    private Map<String, ?> put(Client client, JsonObject asked) {
        Requests.each(asked, "events", Requests::event).forEach(recorder(asked)::put);
        return Map.of();
    }

    private Map<String, ?> closeRecorder(Client client, JsonObject asked) {
        Recorder recorder = recorder(asked);
        recorders.remove(Requests.text(asked, "name"));
        try (recorder) {
            return Answers.acknowledged(recorder.flush());
        }
    }

    private Map<String, ?> openStream(Client client, JsonObject asked) {
        String userId = Requests.text(asked, "user_id");
        streams.put(
                Requests.text(asked, "name"),
                Requests.flag(asked, "watch")
                        ? client.watch(userId, Requests.options(asked), Requests.reads(asked))
                        : client.stream(userId, Requests.options(asked), Requests.reads(asked)));
        return Map.of();
    }

    private Map<String, ?> next(Client client, JsonObject asked) {
        UpdateStream stream = stream(asked);
        readNothing(asked);
        return Answers.updated(stream.poll(Duration.ofMillis(Requests.whole(asked, "within", 5_000)))
                .orElseThrow(() -> new Refusal("NoUpdate", "")));
    }

    private static void readNothing(JsonObject asked) {
        try {
            TimeUnit.MILLISECONDS.sleep(Requests.whole(asked, "after", 0));
        } catch (InterruptedException interrupt) {
            throw new IllegalStateException(interrupt);
        }
    }

    private Map<String, ?> latest(Client client, JsonObject asked) {
        UpdateStream stream = stream(asked);
        readNothing(asked);
        Optional<Update> newest = Optional.empty();
        for (Optional<Update> one = stream.poll(QUIET); one.isPresent(); one = stream.poll(QUIET)) {
            newest = one;
        }
        return Answers.updated(newest.orElseThrow(() -> new Refusal("NoUpdate", "")));
    }

    private Map<String, ?> shown(Client client, JsonObject asked) {
        steered(asked).shown(asked.get("positions").getAsInt(), Requests.whole(asked, "sequence", 0));
        return Map.of();
    }

    private Map<String, ?> change(Client client, JsonObject asked) {
        steered(asked).change(Requests.options(asked));
        return Map.of();
    }

    private Map<String, ?> closeStream(Client client, JsonObject asked) {
        stream(asked).close();
        streams.remove(Requests.text(asked, "name"));
        return Map.of();
    }

    private Map<String, ?> raw(Client client, JsonObject asked) {
        try {
            RecommendRequest.Builder request = RecommendRequest.newBuilder();
            JsonFormat.parser().merge(asked.get("recommend").toString(), request);
            String response = JsonFormat.printer()
                    .print(client.raw().recommendations().recommend(request.build()));
            return Map.of("response", JsonParser.parseString(response));
        } catch (InvalidProtocolBufferException unreadable) {
            throw new Refusal("Unsupported", unreadable.getMessage());
        }
    }

    private Recorder recorder(JsonObject asked) {
        return opened(recorders, asked);
    }

    private UpdateStream stream(JsonObject asked) {
        return opened(streams, asked);
    }

    private RecommendationStream steered(JsonObject asked) {
        if (stream(asked) instanceof RecommendationStream steered) {
            return steered;
        }
        throw new Refusal("Unsupported", Requests.text(asked, "name") + " only listens");
    }

    private static <T> T opened(Map<String, T> named, JsonObject asked) {
        T one = named.get(Requests.text(asked, "name"));
        if (one == null) {
            throw new Refusal("Unsupported", "nothing is open by the name " + Requests.text(asked, "name"));
        }
        return one;
    }
}
