package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.penchant.v1.RecommendationUpdate;
import dev.penchant.v1.StreamRecommendationsRequest;
import dev.penchant.v1.StreamRecommendationsResponse;
import dev.penchant.v1.StreamStart;
import dev.penchant.v1.WatchRecommendationsResponse;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class StreamTest {
    /** A connection as the service sees it. */
    private record Watched(StreamStart open, StreamObserver<WatchRecommendationsResponse> answers) {
        void send(RecommendationUpdate update) {
            answers.onNext(WatchRecommendationsResponse.newBuilder().setUpdate(update).build());
        }
    }

    private final BlockingQueue<Watched> connections = new LinkedBlockingQueue<>();
    private FakeService service;
    private Client client;

    @BeforeEach
    void start() throws Exception {
        service = new FakeService();
        service.watch = (asked, answers) -> connections.add(new Watched(asked.getOpen(), answers));
        service.start();
        client = Client.connect(service.target());
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        service.close();
    }

    private static RecommendationUpdate update(long sequence, String order, String described) {
        return FollowingTest.update(sequence, order, described);
    }

    private static RecommendationUpdate last(long sequence, String order, String described) {
        return update(sequence, order, described).toBuilder().setGoingAway(true).build();
    }

    @Test
    void aSlowReaderIsGivenTheNewestListAndNoneTwice() throws Exception {
        try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            Watched service = connections.take();
            service.send(update(1, "ab", "ab"));
            assertEquals(1, stream.next().sequence());
            for (int sequence = 2; sequence <= 1_000; sequence++) {
                service.send(update(sequence, sequence % 2 == 0 ? "ba" : "ab", ""));
            }
            service.send(update(1_001, "bc", "c"));
            service.answers().onCompleted();
            // What was sent before the end is there when the end is seen.
            assertEquals("bc", FollowingTest.order(lastOf(stream)));
        }
    }

    /** Reads until the end, slowly enough that it came before. */
    private static Update lastOf(UpdateStream stream) throws Exception {
        CompletableFuture<Void> ended = new CompletableFuture<>();
        stream.follower.listen(() -> {
            if (stream.follower.isEnded()) {
                ended.complete(null);
            }
        });
        ended.get();
        Update newest = stream.next();
        assertEquals(1_001, newest.sequence(), "those between were passed over");
        assertFalse(stream.hasNext());
        assertThrows(NoSuchElementException.class, stream::next);
        return newest;
    }

    @Test
    void itGoesOnWithTheTokenWhenTheConnectionBreaksOrTheServiceGoesAway() throws Exception {
        try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS.withPageSize(3))) {
            Watched first = connections.take();
            assertEquals("", first.open().getResumeToken());
            first.send(update(1, "ab", "ab"));
            assertEquals(1, stream.next().sequence());
            first.answers().onError(FakeService.gone());
            Watched second = connections.take();
            assertEquals("r1", second.open().getResumeToken());
            assertEquals(3, second.open().getOptions().getPageSize());
            second.send(update(1, "ab", "ab")); // once more
            second.send(last(2, "ba", ""));
            second.answers().onCompleted();
            assertEquals(2, stream.next().sequence());
            Watched third = connections.take();
            assertEquals("r2", third.open().getResumeToken());
            third.answers().onCompleted();
            assertFalse(stream.hasNext(), "the service ended it and did not say that it goes away");
        }
    }

    @Test
    void itGoesOnWhenTheServiceRestarts() throws Exception {
        try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            Watched first = connections.take();
            first.send(update(1, "ab", "ab"));
            stream.next();
            // A call may still slip in before the client has heard that the service ends.
            service.watch = (asked, answers) -> answers.onError(FakeService.gone());
            service.leave(() -> first.answers().onError(FakeService.gone()));
            service.watch = (asked, answers) -> connections.add(new Watched(asked.getOpen(), answers));
            service.start();
            Watched second = connections.take();
            second.send(update(2, "ba", "ba"));
            assertEquals(2, stream.next().sequence());
        }
    }

    /** The client's pauses, which grow, would make attempts meanwhile and be far from over in the end. */
    @Test
    void whileTheServiceIsAwayItWaitsForTheConnectionAndMakesNoAttempt() throws Exception {
        Attempts attempts = new Attempts("WatchRecommendations");
        try (Client client = Client.builder(service.target()).intercept(attempts).build();
                UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            Watched first = connections.take();
            first.send(update(1, "ab", "ab"));
            stream.next();
            service.leave(() -> first.answers().onError(FakeService.gone()));
            assertThrows(UnavailableException.class, () -> client.recommend("ann")); // it takes retries and their pauses
            assertEquals(1, attempts.count());
            service.start();
            connections.take().send(update(2, "ba", "ba"));
            assertEquals(2, stream.next().sequence());
            assertEquals(2, attempts.count());
        }
    }

    @Test
    void aStreamThatIsClosedWhileTheServiceIsAwayIsNotOpenedWhenItReturns() throws Exception {
        Attempts attempts = new Attempts("WatchRecommendations");
        try (Client client = Client.builder(service.target()).intercept(attempts).build();
                UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            Watched first = connections.take();
            first.send(update(1, "ab", "ab"));
            stream.next();
            service.leave(() -> first.answers().onError(FakeService.gone()));
            assertThrows(UnavailableException.class, () -> client.recommend("ann"));
            stream.close();
            service.start();
            client.recommend("ann");
            assertEquals(1, attempts.count());
            assertFalse(stream.hasNext());
        }
    }

    @Test
    void beforeTheFirstUpdateItIsTriedAsOftenAsACall() throws Exception {
        try (Client client = Client.builder(service.target()).retries(2).build();
                UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            for (int number = 0; number < 3; number++) {
                connections.take().answers().onError(FakeService.gone());
            }
            assertThrows(UnavailableException.class, stream::hasNext);
            assertTrue(connections.isEmpty());
        }
    }

    @Test
    void otherErrorsEndIt() throws Exception {
        try (UpdateStream stream = client.watch("", ListOptions.DEFAULTS)) {
            connections.take().answers().onError(
                    FakeService.failure(Status.Code.INVALID_ARGUMENT, "INVALID_FIELD", "open.user_id"));
            assertEquals("open.user_id", assertThrows(InvalidArgumentException.class, stream::next).field());
            assertThrows(InvalidArgumentException.class, () -> stream.poll(Duration.ZERO));
        }
    }

    @Test
    void anUpdateThatLacksDetailsEndsIt() throws Exception {
        try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            connections.take().send(update(1, "ab", "a"));
            assertThrows(InternalException.class, stream::next);
        }
    }

    @Test
    void theFirstUpdateHasTheClientsTimeAndLaterOnesHaveAllTime() throws Exception {
        Duration timeout = Duration.ofMillis(200);
        try (Client client = Client.builder(service.target()).timeout(timeout).build()) {
            try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
                assertThrows(DeadlineExceededException.class, stream::next);
            }
            connections.take();
            try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
                connections.take().send(update(1, "a", "a"));
                stream.next();
                assertTrue(stream.poll(timeout.multipliedBy(2)).isEmpty());
            }
        }
    }

    @Test
    void whatItDoesNotKnowItPassesOver() throws Exception {
        try (UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS)) {
            Watched first = connections.take();
            first.answers().onNext(WatchRecommendationsResponse.getDefaultInstance());
            first.send(update(1, "ab", "ab"));
            assertEquals(1, stream.next().sequence());
            first.answers().onNext(WatchRecommendationsResponse.getDefaultInstance());
            first.answers().onError(FakeService.gone());
            assertEquals("r1", connections.take().open().getResumeToken());
        }
    }

    @Test
    void itOutlivesTheCallWithinWhichItWasOpened() throws Exception {
        Context.CancellableContext call = Context.current().withCancellation();
        UpdateStream stream = call.call(() -> client.watch("ann", ListOptions.DEFAULTS));
        try (stream) {
            Watched first = connections.take();
            call.cancel(null);
            first.send(update(1, "a", "a"));
            assertEquals(1, stream.next().sequence());
        }
    }

    @Test
    void closingItEndsALoopWithoutAnErrorAndClosingTheClientWithOne() throws Exception {
        UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS);
        connections.take().send(update(1, "a", "a"));
        for (Update update : stream) {
            assertEquals(1, update.sequence());
            stream.close();
        }
        UpdateStream other = client.watch("ann", ListOptions.DEFAULTS);
        client.close();
        assertThrows(CancelledException.class, other::hasNext);
    }

    @Test
    void whatIsShownAndChangedIsToldAndSaidAgainWhenItResumes() throws Exception {
        BlockingQueue<StreamRecommendationsRequest> said = new LinkedBlockingQueue<>();
        BlockingQueue<StreamObserver<StreamRecommendationsResponse>> answers = new LinkedBlockingQueue<>();
        service.stream = answering -> {
            answers.add(answering);
            return new StreamObserver<>() {
                @Override
                public void onNext(StreamRecommendationsRequest request) {
                    said.add(request);
                }

                @Override
                public void onError(Throwable failure) {}

                @Override
                public void onCompleted() {}
            };
        };
        try (RecommendationStream stream = client.stream("ann", ListOptions.DEFAULTS)) {
            assertEquals("ann", said.take().getOpen().getUserId());
            assertThrows(IllegalArgumentException.class, () -> stream.shown(0));
            StreamObserver<StreamRecommendationsResponse> first = answers.take();
            first.onNext(StreamRecommendationsResponse.newBuilder().setUpdate(update(1, "ab", "ab")).build());
            stream.next();
            stream.change(ListOptions.DEFAULTS.withPageSize(2));
            assertEquals(2, said.take().getChange().getPageSize());
            stream.shown(1);
            assertEquals(1, said.take().getShown().getStreamSequence());
            first.onError(FakeService.gone());
            StreamStart resumed = said.take().getOpen();
            assertEquals("r1", resumed.getResumeToken());
            assertEquals(2, resumed.getOptions().getPageSize());
            assertEquals(1, resumed.getShownPositions());
        }
    }

    @Test
    void aSubscriberIsGivenAsManyAsItRequests() throws Exception {
        UpdateStream stream = client.watch("ann", ListOptions.DEFAULTS);
        Collecting subscriber = new Collecting();
        stream.publisher(Runnable::run).subscribe(subscriber);
        Watched service = connections.take();
        service.send(update(1, "ab", "ab"));
        Flow.Subscription subscription = subscriber.subscribed.get();
        subscription.request(1);
        assertEquals(1, subscriber.updates.take().sequence());
        service.send(update(2, "ba", ""));
        service.send(update(3, "ab", ""));
        while (stream.follower.look(Following::sequence) < 3) {
            Thread.onSpinWait();
        }
        subscription.request(1);
        assertEquals(3, subscriber.updates.take().sequence(), "the second was not requested");
        service.answers().onCompleted();
        assertSame(null, subscriber.ended.get());
        subscription.cancel();
        assertFalse(stream.hasNext());
    }

    @Test
    void aSubscriberHearsWhatBrokeTheStreamAndOfItsOwnMisuse() throws Exception {
        Collecting subscriber = new Collecting();
        client.watch("ann", ListOptions.DEFAULTS).publisher().subscribe(subscriber);
        connections.take().answers().onError(FakeService.failure(Status.Code.NOT_FOUND, "", ""));
        assertTrue(subscriber.ended.get() instanceof NotFoundException);
        Collecting misusing = new Collecting();
        Flow.Publisher<Update> publisher = client.watch("ann", ListOptions.DEFAULTS).publisher();
        publisher.subscribe(misusing);
        Collecting late = new Collecting();
        publisher.subscribe(late);
        assertTrue(late.ended.get() instanceof IllegalStateException);
        misusing.subscribed.get().request(0);
        assertTrue(misusing.ended.get() instanceof IllegalArgumentException);
    }

    private static final class Collecting implements Flow.Subscriber<Update> {
        private final CompletableFuture<Flow.Subscription> subscribed = new CompletableFuture<>();
        private final BlockingQueue<Update> updates = new LinkedBlockingQueue<>();
        private final CompletableFuture<Throwable> ended = new CompletableFuture<>();

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscribed.complete(subscription);
        }

        @Override
        public void onNext(Update update) {
            updates.add(update);
        }

        @Override
        public void onError(Throwable failure) {
            ended.complete(failure);
        }

        @Override
        public void onComplete() {
            ended.complete(null);
        }
    }
}
