package dev.penchant.client;

import dev.penchant.v1.Acknowledgement;
import dev.penchant.v1.RecordEventsRequest;
import dev.penchant.v1.RecordEventsResponse;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Takes in events on streams and acknowledges them, as the service does, or breaks as a test says. */
final class FakeLedger {
    /** Ids of all events that came, also those that came twice. */
    final List<String> came = Collections.synchronizedList(new ArrayList<>());
    /** Numbers of events in the requests that came. */
    final List<Integer> requests = Collections.synchronizedList(new ArrayList<>());

    final AtomicInteger connections = new AtomicInteger();
    /** Events to acknowledge on a connection before it breaks; by default it does not. */
    volatile int breaksAfter = Integer.MAX_VALUE;
    /** Events to acknowledge on a connection, which then stays open; by default all. */
    volatile int answersOnly = Integer.MAX_VALUE;
    /** While closed, nothing is acknowledged. */
    volatile CountDownLatch gate = new CountDownLatch(0);

    StreamObserver<RecordEventsRequest> connected(StreamObserver<RecordEventsResponse> answers) {
        connections.incrementAndGet();
        int most = breaksAfter;
        int answered = answersOnly;
        return new StreamObserver<>() {
            private int ordinal;

            @Override
            public void onNext(RecordEventsRequest request) {
                requests.add(request.getEventsCount());
                request.getEventsList().forEach(event -> came.add(event.getEventId()));
                try {
                    gate.await();
                } catch (InterruptedException interrupt) {
                    return;
                }
                RecordEventsResponse.Builder response = RecordEventsResponse.newBuilder();
                for (dev.penchant.v1.Event event : request.getEventsList()) {
                    if (ordinal == most) {
                        answers.onNext(response.build());
                        answers.onError(FakeService.gone());
                        return;
                    }
                    if (ordinal == answered) {
                        break;
                    }
                    Acknowledgement.Builder one = response.addAcknowledgementsBuilder()
                            .setOrdinal(ordinal++)
                            .setEventId(event.getEventId());
                    if (event.getItemId().equals("nobody")) {
                        one.getErrorBuilder().setCode(5).setMessage("no such item");
                    } else {
                        response.setFreshnessToken("f" + event.getEventId());
                    }
                }
                answers.onNext(response.build());
            }

            @Override
            public void onError(Throwable failure) {}

            @Override
            public void onCompleted() {
                if (ordinal < answered) {
                    answers.onCompleted();
                }
            }
        };
    }
}
