package dev.penchant.client.driver;

import com.google.gson.JsonObject;
import com.sun.management.OperatingSystemMXBean;
import dev.penchant.client.Client;
import dev.penchant.client.Event;
import dev.penchant.client.ListOptions;
import dev.penchant.client.Recorder;
import dev.penchant.client.SendOptions;
import dev.penchant.client.driver.Answers.Refusal;
import dev.penchant.v1.EventServiceGrpc;
import dev.penchant.v1.RecommendRequest;
import dev.penchant.v1.RecordEventsRequest;
import dev.penchant.v1.RecordEventsResponse;
import io.grpc.stub.StreamObserver;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Does the same by the client and by the bare stub, so that the client's cost can be told. */
final class Measure {
    private static final int BATCH = 100;
    private static final int AT_ONCE = 10;

    private Measure() {}

    static Map<String, ?> perform(Client client, JsonObject asked) {
        String userId = Requests.text(asked, "user_id");
        int count = asked.get("count").getAsInt();
        List<String> itemIds = Requests.texts(asked, "item_ids");
        return switch (Requests.text(asked, "what")) {
            case "recommend" -> calls(count, () -> client.recommend(userId, ListOptions.DEFAULTS));
            case "recommend_raw" -> calls(count, () -> client.raw()
                    .recommendations()
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .recommend(RecommendRequest.newBuilder().setUserId(userId).build()));
            case "events" -> whole(count, () -> events(client, userId, count, itemIds));
            case "events_raw" -> whole(count, () -> rawEvents(client, userId, count, itemIds));
            default -> throw new Refusal("Unsupported", "measure " + Requests.text(asked, "what"));
        };
    }

    private static Map<String, Object> calls(int count, Runnable call) {
        long[] times = new long[count];
        Map<String, Object> answer = whole(count, () -> {
            for (int number = 0; number < count; number++) {
                long begun = System.nanoTime();
                call.run();
                times[number] = System.nanoTime() - begun;
            }
        });
        Arrays.sort(times);
        answer.put("p50", times[count / 2] / 1e6);
        answer.put("p99", times[(int) (count * 0.99)] / 1e6);
        return answer;
    }

    private static Map<String, Object> whole(int count, Runnable work) {
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime();
        long begun = System.nanoTime();
        work.run();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("count", count);
        answer.put("seconds", (System.nanoTime() - begun) / 1e9);
        answer.put("cpu", (system.getProcessCpuTime() - cpu) / 1e9);
        answer.put("p50", null);
        answer.put("p99", null);
        return answer;
    }

    private static void events(Client client, String userId, int count, List<String> itemIds) {
        try (Recorder recorder = client.recorder(SendOptions.DEFAULTS)) {
            for (int number = 0; number < count; number++) {
                recorder.put(Event.of(userId, "view").withItemId(itemIds.get(number % itemIds.size())));
            }
            recorder.flush();
        }
    }

    private static void rawEvents(Client client, String userId, int count, List<String> itemIds) {
        Semaphore room = new Semaphore(AT_ONCE);
        CountDownLatch ended = new CountDownLatch(1);
        StreamObserver<RecordEventsRequest> requests = EventServiceGrpc.newStub(client.raw().channel())
                .recordEvents(new StreamObserver<RecordEventsResponse>() {
                    @Override
                    public void onNext(RecordEventsResponse response) {
                        room.release();
                    }

                    @Override
                    public void onError(Throwable failure) { // the count is told wrong rather than never
                        room.release(count);
                        ended.countDown();
                    }

                    @Override
                    public void onCompleted() {
                        ended.countDown();
                    }
                });
        try {
            for (int first = 0; first < count; first += BATCH) {
                RecordEventsRequest.Builder request = RecordEventsRequest.newBuilder();
                for (int number = first; number < Math.min(count, first + BATCH); number++) {
                    request.addEventsBuilder()
                            .setEventId(UUID.randomUUID().toString())
                            .setUserId(userId)
                            .setType("view")
                            .setItemId(itemIds.get(number % itemIds.size()));
                }
                room.acquire();
                requests.onNext(request.build());
            }
            requests.onCompleted();
            ended.await();
        } catch (InterruptedException interrupt) {
            throw new IllegalStateException(interrupt);
        }
    }
}
