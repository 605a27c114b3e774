package dev.penchant.client.driver;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import dev.penchant.client.Client;
import dev.penchant.client.ClientBuilder;
import dev.penchant.client.Event;
import dev.penchant.client.Item;
import dev.penchant.client.ListOptions;
import dev.penchant.client.ReadOptions;
import dev.penchant.client.SendOptions;
import dev.penchant.client.Tls;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** From the driver's JSON to what the client takes. */
final class Requests {
    private Requests() {}

    static Client client(JsonObject from) {
        ClientBuilder builder = Client.builder(text(from, "target"))
                .apiKey(text(from, "api_key"))
                .readYourWrites(flag(from, "read_your_writes"));
        if (has(from, "timeout")) {
            builder.timeout(Duration.ofMillis(from.get("timeout").getAsLong()));
        }
        if (has(from, "retries")) {
            builder.retries(from.get("retries").getAsInt());
        }
        if (has(from, "tls") && from.get("tls").isJsonObject()) {
            JsonObject files = from.getAsJsonObject("tls");
            builder.tls(new Tls(path(files, "ca"), path(files, "cert"), path(files, "key")));
        } else if (flag(from, "tls")) {
            builder.tls(Tls.system());
        }
        return builder.build();
    }

    static Event event(JsonElement told) {
        JsonObject from = told.getAsJsonObject();
        return new Event(
                text(from, "user_id"),
                text(from, "type"),
                text(from, "item_id"),
                text(from, "text"),
                number(from, "value"),
                has(from, "occurred_at")
                        ? Instant.ofEpochMilli(from.get("occurred_at").getAsLong())
                        : null,
                text(from, "event_id"),
                text(from, "surface"),
                text(from, "attribution_token"));
    }

    static Item item(JsonElement told) {
        JsonObject from = told.getAsJsonObject();
        return new Item(
                text(from, "item_id"),
                text(from, "title"),
                text(from, "description"),
                texts(from, "categories"),
                number(from, "price"),
                flag(from, "unavailable"),
                attributes(from),
                texts(from, "images").stream()
                        .map(image -> ByteString.copyFrom(Base64.getDecoder().decode(image)))
                        .toList());
    }

    static ListOptions options(JsonObject request) {
        if (!has(request, "options")) {
            return ListOptions.DEFAULTS;
        }
        JsonObject from = request.getAsJsonObject("options");
        return new ListOptions(
                has(from, "page_size") ? from.get("page_size").getAsInt() : ListOptions.DEFAULTS.pageSize(),
                texts(from, "categories"),
                attributes(from),
                number(from, "min_price"),
                number(from, "max_price"),
                texts(from, "exclude"),
                flag(from, "include_seen"),
                flag(from, "include_items"),
                flag(from, "explain"),
                text(from, "profile"));
    }

    static ReadOptions reads(JsonObject from) {
        return ReadOptions.after(text(from, "min_freshness"));
    }

    static SendOptions sends(JsonObject from) {
        int batch = has(from, "batch") ? from.get("batch").getAsInt() : SendOptions.DEFAULTS.batch();
        int window = has(from, "window") ? from.get("window").getAsInt() : Math.max(batch, 1_000);
        return new SendOptions(batch, window, SendOptions.DEFAULTS.patience());
    }

    static <T> List<T> each(JsonObject from, String name, Function<JsonElement, T> one) {
        List<T> all = new ArrayList<>();
        from.getAsJsonArray(name).forEach(element -> all.add(one.apply(element)));
        return all;
    }

    static boolean has(JsonObject from, String name) {
        return from.has(name) && !from.get(name).isJsonNull();
    }

    static String text(JsonObject from, String name) {
        return has(from, name) ? from.get(name).getAsString() : "";
    }

    static boolean flag(JsonObject from, String name) {
        return has(from, name) && from.get(name).getAsBoolean();
    }

    static long whole(JsonObject from, String name, long otherwise) {
        return has(from, name) ? from.get(name).getAsLong() : otherwise;
    }

    static List<String> texts(JsonObject from, String name) {
        JsonArray none = new JsonArray();
        return (has(from, name) ? from.getAsJsonArray(name) : none)
                .asList().stream().map(JsonElement::getAsString).toList();
    }

    private static Double number(JsonObject from, String name) {
        return has(from, name) ? from.get(name).getAsDouble() : null;
    }

    private static Path path(JsonObject from, String name) {
        return has(from, name) ? Path.of(text(from, name)) : null;
    }

    private static Map<String, String> attributes(JsonObject from) {
        Map<String, String> all = new LinkedHashMap<>();
        if (has(from, "attributes")) {
            from.getAsJsonObject("attributes").asMap().forEach((name, value) -> all.put(name, value.getAsString()));
        }
        return all;
    }
}
