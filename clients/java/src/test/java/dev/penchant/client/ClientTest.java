package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.penchant.v1.RecommendResponse;
import dev.penchant.v1.RecordEventResponse;
import dev.penchant.v1.UpsertItemsRequest;
import dev.penchant.v1.UpsertItemsResponse;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ClientTest {
    private static final Event VIEW = Event.of("ann", "view").withItemId("a");

    private FakeService service;

    @BeforeEach
    void start() throws Exception {
        service = new FakeService().start();
    }

    @AfterEach
    void stop() throws Exception {
        service.close();
    }

    @Test
    void aRetryCountsOnce() {
        List<String> ids = Collections.synchronizedList(new ArrayList<>());
        service.record = asked -> {
            ids.add(asked.getEvent().getEventId());
            if (ids.size() < 3) {
                throw FakeService.gone();
            }
            return RecordEventResponse.newBuilder().setEventId(ids.get(0)).setFreshnessToken("f1").build();
        };
        try (Client client = Client.connect(service.target())) {
            Recorded recorded = client.record(VIEW);
            assertEquals(new Recorded(ids.get(0), "f1", false), recorded);
            assertEquals(3, ids.size());
            assertEquals(1, new HashSet<>(ids).size());
            assertFalse(ids.get(0).isEmpty());
        }
    }

    @Test
    void aCallIsTriedAsOftenAsTheClientWasTold() {
        for (int retries : new int[] {0, 1, 4}) {
            AtomicInteger attempts = new AtomicInteger();
            service.recommend = asked -> {
                attempts.incrementAndGet();
                throw FakeService.gone();
            };
            try (Client client = Client.builder(service.target())
                    .retries(retries)
                    .timeout(Duration.ofSeconds(20))
                    .build()) {
                assertThrows(UnavailableException.class, () -> client.recommend("ann"));
                assertEquals(retries + 1, attempts.get());
            }
        }
    }

    @Test
    void onlyUnavailableIsTriedAgain() {
        AtomicInteger attempts = new AtomicInteger();
        service.recommend = asked -> {
            attempts.incrementAndGet();
            throw FakeService.failure(Status.Code.RESOURCE_EXHAUSTED, "BUSY", "");
        };
        try (Client client = Client.connect(service.target())) {
            OverloadedException error = assertThrows(OverloadedException.class, () -> client.recommend("ann"));
            assertEquals(Duration.ofMillis(1500), error.retryAfter().orElseThrow());
            assertEquals(1, attempts.get());
        }
    }

    @Test
    void aCallInTheSecondAfterARestartWorks() throws Exception {
        try (Client client = Client.connect(service.target())) {
            client.recommend("ann");
            service.stop();
            // Long enough for gRPC's own wait for the next connection to grow beyond what a retried call has.
            for (int number = 0; number < 3; number++) {
                assertThrows(UnavailableException.class, () -> client.recommend("ann"));
            }
            service.start();
            client.recommend("ann");
        }
    }

    @Test
    void everyCallHasADeadline() {
        CountDownLatch never = new CountDownLatch(1);
        service.recommend = asked -> {
            try {
                never.await();
            } catch (InterruptedException interrupt) {
                Thread.currentThread().interrupt();
            }
            return RecommendResponse.getDefaultInstance();
        };
        try (Client client =
                Client.builder(service.target()).timeout(Duration.ofMillis(200)).build()) {
            assertThrows(DeadlineExceededException.class, () -> client.recommend("ann"));
        } finally {
            never.countDown();
        }
    }

    @Test
    void closingCancelsCallsUnderWayAndRefusesLaterOnes() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch over = new CountDownLatch(1);
        service.recommend = request -> {
            asked.countDown();
            try {
                over.await();
            } catch (InterruptedException interrupt) {
                Thread.currentThread().interrupt();
            }
            return RecommendResponse.getDefaultInstance();
        };
        Client client = Client.connect(service.target());
        CompletableFuture<?> call = CompletableFuture.runAsync(
                () -> assertThrows(CancelledException.class, () -> client.recommend("ann")));
        asked.await();
        client.close();
        call.get();
        over.countDown();
        client.close();
        assertThrows(CancelledException.class, () -> client.recommend("ann"));
        assertThrows(CancelledException.class, client::recorder);
        assertThrows(CancelledException.class, () -> client.watch("ann", ListOptions.DEFAULTS));
    }

    @Test
    void theKeyGoesWithEveryKindOfCall() {
        FakeLedger ledger = new FakeLedger();
        service.events = ledger::connected;
        service.watch = (asked, answers) -> answers.onCompleted();
        try (Client client =
                Client.builder(service.target()).apiKey("k1").build()) {
            client.recommend("ann");
            client.recordMany(List.of(VIEW));
            try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
                assertFalse(stream.hasNext());
            }
            client.raw().events().recordEvent(dev.penchant.v1.RecordEventRequest.getDefaultInstance());
        }
        for (String call : List.of("Recommend", "RecordEvents", "WatchRecommendations", "RecordEvent")) {
            assertEquals("Bearer k1", service.keys.get(call), call);
        }
    }

    @Test
    void onesOwnWritesAreReadWhereTheClientWasTold() {
        service.record = asked -> RecordEventResponse.newBuilder().setFreshnessToken("f1").build();
        List<String> waited = Collections.synchronizedList(new ArrayList<>());
        service.recommend = asked -> {
            waited.add(asked.getMinFreshness());
            return RecommendResponse.getDefaultInstance();
        };
        try (Client client =
                        Client.builder(service.target()).readYourWrites(true).build();
                Client other = Client.connect(service.target())) {
            for (Client one : List.of(client, other)) {
                one.record(VIEW);
                one.recommend("ann");
                one.recommend("bob");
                one.recommend("ann", ListOptions.DEFAULTS, ReadOptions.after("f9"));
            }
        }
        assertEquals(List.of("f1", "", "f9", "", "", "f9"), waited);
    }

    @Test
    void itemsAreSentAgainWhenTheStreamBreaksAndRefusedOnesAreTold() {
        AtomicInteger connections = new AtomicInteger();
        service.items = answers -> {
            boolean breaks = connections.incrementAndGet() == 1;
            return new StreamObserver<>() {
                private int requests;

                @Override
                public void onNext(UpsertItemsRequest request) {
                    if (breaks && requests++ == 1) {
                        answers.onError(FakeService.gone());
                        return;
                    }
                    UpsertItemsResponse.Builder response = UpsertItemsResponse.newBuilder();
                    for (int index = 0; index < request.getItemsCount(); index++) {
                        String itemId = request.getItems(index).getItemId();
                        if (itemId.matches("i[135]")) {
                            response.addRefusedBuilder()
                                    .setIndex(index)
                                    .setItemId(itemId)
                                    .getErrorBuilder()
                                    .setCode(3);
                        }
                    }
                    response.setAccepted(request.getItemsCount() - response.getRefusedCount());
                    answers.onNext(response.build());
                }

                @Override
                public void onError(Throwable failure) {}

                @Override
                public void onCompleted() {
                    answers.onCompleted();
                }
            };
        };
        List<Item> items = IntStream.range(0, 6).mapToObj(one -> Item.of("i" + one, "thing")).toList();
        try (Client client = Client.connect(service.target())) {
            UpsertResult result = client.upsertItems(items, SendOptions.DEFAULTS.withBatch(2));
            assertEquals(3, result.accepted());
            assertEquals(List.of("i1", "i3", "i5"), result.refused().stream().map(Refused::itemId).toList());
            assertEquals(List.of(1L, 3L, 5L), result.refused().stream().map(Refused::index).toList());
            assertTrue(result.refused().get(0).error() instanceof InvalidArgumentException);
            assertEquals(2, connections.get());
        }
    }
}
