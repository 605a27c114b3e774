package dev.penchant.client;

import dev.penchant.v1.RecommendRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;

/** The examples of README.md, so that they compile. */
final class ReadmeExamples {
    private ReadmeExamples() {}

    static void streams(Client client, Flow.Subscriber<Update> subscriber) {
        try (RecommendationStream stream = client.stream("ada", ListOptions.DEFAULTS.withPageSize(5))) {
            for (Update update : stream) { // the whole list, whenever it moves
                System.out.println(update.sequence() + " " + update.items());
                stream.shown(2); // the first two are on the screen: they stay
            }
        }

        client.watch("ada", ListOptions.DEFAULTS).publisher().subscribe(subscriber);
    }

    static void events(Client client, List<Event> events) {
        try (Recorder recorder = client.recorder()) {
            recorder.put(Event.of("ada", "search").withText("socks for winter"));
            for (Acknowledged one : recorder.flush()) {
                if (one.error() != null) {
                    System.err.println(one.eventId() + " " + one.error().reason() + " " + one.error().getMessage());
                }
            }
        } catch (UnansweredException left) {
            System.err.println("keep these for later: " + left.events());
        }

        for (Acknowledged one : client.recordMany(events)) {
            System.out.println(one.ordinal() + " " + one.eventId() + " " + one.unchanged() + " " + one.error());
        }
    }

    static void errors(Client client) throws InterruptedException {
        try {
            client.similar("boots", ListOptions.DEFAULTS.withMaxPrice(50));
        } catch (NotFoundException absent) {
            System.err.println("no such item");
        } catch (OverloadedException busy) {
            Thread.sleep(busy.retryAfter().orElse(Duration.ofSeconds(1)).toMillis());
        }
    }

    static void tls() {
        try (Client client = Client.builder("penchant.example:443")
                .tls(Tls.trusting(Path.of("ca.pem")).identifiedBy(Path.of("me.pem"), Path.of("me.key")))
                .apiKey(System.getenv("PENCHANT_API_KEY"))
                .timeout(Duration.ofSeconds(2))
                .build()) {
            System.out.println(client.recommend("ada"));
        }
    }

    static void raw(Client client) {
        RecommendRequest request = RecommendRequest.newBuilder().setUserId("ada").build();
        client.raw().recommendations().withDeadlineAfter(5, TimeUnit.SECONDS).recommend(request);
    }
}
