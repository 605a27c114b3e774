package dev.penchant.client.driver;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** The conformance driver: lines of JSON in, lines of JSON out, as tests/conformance/README.md says. */
public final class Driver {
    private static final Gson JSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private Driver() {}

    /**
     * Answers until there is no more input.
     *
     * @param arguments none
     * @throws IOException when the input cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (Session session = new Session()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonObject request = JsonParser.parseString(line).getAsJsonObject();
                if (request.get("do").getAsString().equals("leave")) {
                    return;
                }
                answers.println(JSON.toJson(answer(session, request)));
            }
        }
    }

    private static Map<String, ?> answer(Session session, JsonObject request) {
        try {
            return Map.of("ok", session.perform(request));
        } catch (RuntimeException failure) {
            return Map.of("error", Answers.failed(failure));
        }
    }
}
