package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.penchant.v1.RecordEventResponse;
import dev.penchant.v1.RecordEventsResponse;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

@Timeout(30)
class RecorderTest {
    private final FakeLedger ledger = new FakeLedger();
    private final BlockingQueue<StreamObserver<RecordEventsResponse>> streams = new LinkedBlockingQueue<>();
    private FakeService service;

    @BeforeEach
    void start() throws Exception {
        service = new FakeService();
        service.events = answers -> {
            streams.add(answers);
            return ledger.connected(answers);
        };
        service.start();
    }

    @AfterEach
    void stop() throws Exception {
        service.close();
    }

    private Client client() {
        return Client.builder(service.target()).timeout(Duration.ofMillis(300)).build();
    }

    private static Event event(int number) {
        return Event.of("ann", "view").withItemId("a").withEventId("e" + number);
    }

    private static List<Event> events(int count) {
        return IntStream.range(0, count).mapToObj(RecorderTest::event).toList();
    }

    @Test
    void everyEventIsAnsweredInOrderAndRefusedOnesEndNothing() {
        try (Client client = client();
                Recorder recorder = client.recorder()) {
            recorder.put(event(0));
            recorder.put(event(1).withItemId("nobody"));
            recorder.put(event(2));
            List<Acknowledged> answers = recorder.flush();
            assertEquals(List.of("e0", "e1", "e2"), answers.stream().map(Acknowledged::eventId).toList());
            assertEquals(List.of(0L, 1L, 2L), answers.stream().map(Acknowledged::ordinal).toList());
            assertTrue(answers.get(1).error() instanceof NotFoundException);
            assertEquals(List.of(), recorder.flush());
        }
    }

    @Test
    void whatIsUnansweredWhenTheStreamBreaksIsSentAgain() {
        ledger.breaksAfter = 7;
        try (Client client = client()) {
            List<Acknowledged> answers = new ArrayList<>();
            client.recordMany(events(30), SendOptions.DEFAULTS.withBatch(5).withWindow(10), one -> {
                answers.add(one);
                if (answers.size() > 20) {
                    ledger.breaksAfter = Integer.MAX_VALUE;
                }
            });
            assertEquals(
                    LongStream.range(0, 30).boxed().toList(), answers.stream().map(Acknowledged::ordinal).toList());
            assertEquals(
                    events(30).stream().map(Event::eventId).toList(),
                    answers.stream().map(Acknowledged::eventId).toList());
            assertTrue(ledger.connections.get() > 2);
            assertEquals(30, new HashSet<>(ledger.came).size());
        }
    }

    @Test
    void putWaitsWhileTheWindowIsFull() throws Exception {
        ledger.gate = new CountDownLatch(1);
        try (Client client = client();
                Recorder recorder = client.recorder(SendOptions.DEFAULTS.withBatch(2).withWindow(4))) {
            events(4).forEach(recorder::put);
            Thread fifth = new Thread(() -> recorder.put(event(4)));
            fifth.start();
            while (fifth.getState() != Thread.State.WAITING) {
                assertTrue(fifth.getState() != Thread.State.TERMINATED, "it does not wait");
                Thread.onSpinWait();
            }
            assertEquals(4, recorder.unanswered().size());
            ledger.gate.countDown();
            fifth.join();
            assertEquals(5, recorder.flush().size());
        }
        assertTrue(ledger.requests.stream().allMatch(size -> size <= 2));
    }

    @Test
    void aListenerHearsOfEachEventBeforeFlushReturns() {
        List<String> heard = Collections.synchronizedList(new ArrayList<>());
        try (Client client = client();
                Recorder recorder = client.recorder(SendOptions.DEFAULTS, one -> heard.add(one.eventId()))) {
            events(3).forEach(recorder::put);
            assertEquals(List.of(), recorder.flush());
            assertEquals(List.of("e0", "e1", "e2"), heard);
        }
    }

    @Test
    void whatAListenerThrowsEndsTheRecorder() {
        IllegalStateException thrown = new IllegalStateException("enough");
        try (Client client = client()) {
            Recorder recorder = client.recorder(SendOptions.DEFAULTS, one -> {
                throw thrown;
            });
            recorder.put(event(0));
            // Between the answer and what its listener throws a flush may find everything answered.
            assertSame(thrown, assertThrows(IllegalStateException.class, () -> {
                for (int number = 1; ; number++) {
                    recorder.put(event(number));
                }
            }));
            assertThrows(UnansweredException.class, recorder::close);
        }
    }

    @Test
    void aServiceThatWasNeverHeardIsGivenUpAfterTheRetries() throws Exception {
        service.stop();
        try (Client client = Client.builder(service.target()).retries(1).build()) {
            Recorder recorder = client.recorder();
            recorder.put(event(0));
            assertThrows(UnavailableException.class, recorder::flush);
            assertThrows(UnavailableException.class, () -> recorder.put(event(1)));
            UnansweredException left = assertThrows(UnansweredException.class, recorder::close);
            assertEquals(List.of(event(0)), left.events());
            assertTrue(left.getCause() instanceof UnavailableException);
        } finally {
            service.start();
        }
    }

    @Test
    void aServiceThatAnswersNothingIsGivenUpAfterThePatience() {
        ledger.gate = new CountDownLatch(1);
        try (Client client = client()) {
            Recorder recorder = client.recorder(SendOptions.DEFAULTS.withPatience(Duration.ofMillis(100)));
            recorder.put(event(0));
            assertThrows(DeadlineExceededException.class, recorder::flush);
            assertThrows(UnansweredException.class, recorder::close);
            ledger.gate.countDown();
        }
    }

    /** Ends the service as a good one does. */
    private void leave() throws Exception {
        service.leave(() -> streams.remove().onError(FakeService.gone()));
    }

    /** Has one event answered, and the service away. */
    private void heardOnce(Client client, Recorder recorder) throws Exception {
        recorder.put(event(0));
        assertEquals(1, recorder.flush().size());
        leave();
    }

    private Client counted(Attempts attempts) {
        return Client.builder(service.target()).intercept(attempts).build();
    }

    @Test
    void whileTheServiceIsAwayItWaitsForTheConnectionAndMakesNoAttempt() throws Exception {
        Attempts attempts = new Attempts("RecordEvents");
        try (Client client = counted(attempts);
                Recorder recorder = client.recorder()) {
            heardOnce(client, recorder);
            recorder.put(event(1));
            assertThrows(UnavailableException.class, () -> client.recommend("ann")); // it takes retries and their pauses
            assertEquals(1, attempts.count());
            service.start();
            assertEquals(List.of("e1"), recorder.flush().stream().map(Acknowledged::eventId).toList());
            assertEquals(2, attempts.count());
        }
    }

    @Test
    void waitingForTheConnectionEndsWithThePatience() throws Exception {
        Attempts attempts = new Attempts("RecordEvents");
        try (Client client = counted(attempts)) {
            Recorder recorder = client.recorder(SendOptions.DEFAULTS.withPatience(Duration.ofMillis(400)));
            heardOnce(client, recorder);
            recorder.put(event(1));
            assertThrows(UnavailableException.class, recorder::flush);
            assertEquals(1, attempts.count());
            assertEquals(List.of(event(1)), assertThrows(UnansweredException.class, recorder::close).events());
        } finally {
            service.start();
        }
    }

    @Test
    void waitingForTheConnectionEndsWhenTheRecorderIsClosed() throws Exception {
        Attempts attempts = new Attempts("RecordEvents");
        try (Client client = counted(attempts)) {
            Recorder recorder = client.recorder();
            heardOnce(client, recorder);
            recorder.put(event(1));
            assertThrows(UnansweredException.class, () -> recorder.close(Duration.ofMillis(200)));
            service.start();
            client.recommend("ann");
            assertEquals(1, attempts.count());
        }
    }

    @Test
    void waitingForTheConnectionEndsWhenTheClientIsClosed() throws Exception {
        CountDownLatch heard = new CountDownLatch(1);
        ledger.answersOnly = 1;
        Client client = client();
        CompletableFuture<?> many = CompletableFuture.runAsync(() -> assertThrows(
                CancelledException.class,
                () -> client.recordMany(events(2), SendOptions.DEFAULTS, one -> heard.countDown())));
        heard.await();
        leave();
        assertThrows(PenchantException.class, () -> client.recommend("ann")); // it takes its whole time
        client.close();
        many.get();
        service.start();
    }

    @Test
    void closingFlushes() {
        try (Client client = client()) {
            Recorder recorder = client.recorder();
            events(250).forEach(recorder::put);
            recorder.close();
            assertEquals(250, ledger.came.size());
            assertEquals(List.of(), recorder.unanswered());
            recorder.close();
            assertThrows(IllegalStateException.class, () -> recorder.put(event(0)));
        }
    }

    @Test
    void closingAClientClosesItsRecordersFirst() {
        Client client = client();
        Recorder one = client.recorder();
        Recorder other = client.recorder();
        events(150).forEach(one::put);
        events(100).forEach(other::put);
        client.close();
        assertEquals(250, ledger.came.size());
        client.close();
    }

    @Test
    void aClientThatIsClosedWithEventsLeftSaysHowMany() {
        ledger.gate = new CountDownLatch(1);
        Client client = client();
        Recorder one = client.recorder();
        Recorder other = client.recorder();
        events(3).forEach(one::put);
        events(4).forEach(other::put);
        UnansweredException left = assertThrows(UnansweredException.class, client::close);
        assertEquals(7, left.events().size());
        assertTrue(left.getMessage().startsWith("7 events"), left.getMessage());
        ledger.gate.countDown();
        client.close();
        assertThrows(CancelledException.class, () -> client.recommend("ann"));
        assertEquals(3, one.unanswered().size());
    }

    @Test
    void anEventTooLargeIsNotSentAndEndsNothing() {
        Event huge = event(1).withText("x".repeat(Outbox.REQUEST_BYTES));
        AtomicInteger recorded = new AtomicInteger();
        service.record = asked -> {
            recorded.incrementAndGet();
            return RecordEventResponse.getDefaultInstance();
        };
        try (Client client = client();
                Recorder recorder = client.recorder()) {
            recorder.put(event(0));
            List<Executable> verbs = List.of(
                    () -> recorder.put(huge), () -> client.record(huge), () -> client.recordMany(List.of(huge)));
            for (Executable verb : verbs) {
                assertEquals("event", assertThrows(InvalidArgumentException.class, verb).field());
            }
            recorder.put(event(2));
            assertEquals(2, recorder.flush().size());
            assertEquals(List.of("e0", "e2"), ledger.came);
            assertEquals(0, recorded.get());
        }
    }

    @Test
    void whatTheCallersEventsThrowIsThrown() {
        IllegalStateException thrown = new IllegalStateException("no more rows");
        try (Client client = client()) {
            Iterable<Event> broken = () -> {
                throw thrown;
            };
            assertSame(thrown, assertThrows(IllegalStateException.class, () -> client.recordMany(broken)));
        }
    }
}
