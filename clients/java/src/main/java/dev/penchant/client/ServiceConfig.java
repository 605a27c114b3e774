package dev.penchant.client;

import com.google.gson.Gson;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** gRPC's service config, which the clients of all languages have in common. Pure. */
final class ServiceConfig {
    /** gRPC allows five attempts. */
    static final int MAX_RETRIES = 4;

    static final String FILE = "service_config.json";

    private ServiceConfig() {}

    /** Returns the config that tries every unary call again up to so many times, 0–4. */
    static Map<String, ?> withRetries(int retries) {
        if (retries < 0 || retries > MAX_RETRIES) {
            throw new IllegalArgumentException("retries: " + retries + " is not within 0–" + MAX_RETRIES);
        }
        Map<String, Object> config = read();
        if (retries == 0) {
            config.remove("methodConfig"); // gRPC knows no policy of a single attempt
            return config;
        }
        for (Object method : (List<?>) config.get("methodConfig")) {
            @SuppressWarnings("unchecked")
            Map<String, Object> policy = (Map<String, Object>) ((Map<?, ?>) method).get("retryPolicy");
            policy.put("maxAttempts", retries + 1.0); // gRPC wants JSON's numbers
        }
        return config;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> read() {
        try (Reader text =
                new InputStreamReader(ServiceConfig.class.getResourceAsStream(FILE), StandardCharsets.UTF_8)) {
            return new Gson().fromJson(text, Map.class);
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }
}
