package dev.penchant.client;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.penchant.v1.EventServiceGrpc;
import dev.penchant.v1.CatalogServiceGrpc;
import dev.penchant.v1.RecommendRequest;
import dev.penchant.v1.RecommendResponse;
import dev.penchant.v1.RecommendationServiceGrpc;
import dev.penchant.v1.RecordEventRequest;
import dev.penchant.v1.RecordEventResponse;
import dev.penchant.v1.RecordEventsRequest;
import dev.penchant.v1.RecordEventsResponse;
import dev.penchant.v1.StreamRecommendationsRequest;
import dev.penchant.v1.StreamRecommendationsResponse;
import dev.penchant.v1.UpsertItemsRequest;
import dev.penchant.v1.UpsertItemsResponse;
import dev.penchant.v1.WatchRecommendationsRequest;
import dev.penchant.v1.WatchRecommendationsResponse;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.Function;

/** A service on this machine that answers as a test says. */
final class FakeService implements AutoCloseable {
    static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    /** The key that came with each kind of call. */
    final Map<String, String> keys = new ConcurrentHashMap<>();

    Function<RecordEventRequest, RecordEventResponse> record = asked -> RecordEventResponse.getDefaultInstance();
    Function<RecommendRequest, RecommendResponse> recommend = asked -> RecommendResponse.getDefaultInstance();
    Function<StreamObserver<RecordEventsResponse>, StreamObserver<RecordEventsRequest>> events;
    Function<StreamObserver<UpsertItemsResponse>, StreamObserver<UpsertItemsRequest>> items;
    Function<StreamObserver<StreamRecommendationsResponse>, StreamObserver<StreamRecommendationsRequest>> stream;
    volatile BiConsumer<WatchRecommendationsRequest, StreamObserver<WatchRecommendationsResponse>> watch;

    private final ServerCredentials credentials;
    private Server server;
    private int port;

    FakeService() {
        this(InsecureServerCredentials.create());
    }

    FakeService(ServerCredentials credentials) {
        this.credentials = credentials;
    }

    /** Starts it, again on the port it had. */
    FakeService start() throws IOException {
        server = Grpc.newServerBuilderForPort(port, credentials)
                .addService(new Events())
                .addService(new Catalog())
                .addService(new Recommendations())
                .intercept(new ServerInterceptor() {
                    @Override
                    public <Q, R> ServerCall.Listener<Q> interceptCall(
                            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
                        keys.put(
                                call.getMethodDescriptor().getBareMethodName(),
                                String.valueOf(headers.get(AUTHORIZATION)));
                        return next.startCall(call, headers);
                    }
                })
                .build()
                .start();
        port = server.getPort();
        return this;
    }

    String target() {
        return "127.0.0.1:" + port;
    }

    /** Ends it as a good service does: it takes in no more calls, and those under way are ended by {@code farewell}. */
    void leave(Runnable farewell) throws InterruptedException {
        server.shutdown();
        farewell.run();
        server.awaitTermination();
    }

    /** Ends it; calls under way end as cancelled. */
    void stop() throws InterruptedException {
        server.shutdownNow().awaitTermination();
    }

    @Override
    public void close() throws InterruptedException {
        stop();
    }

    static StatusRuntimeException gone() {
        return Status.UNAVAILABLE.withDescription("going").asRuntimeException();
    }

    /** An error with all the details that the service gives. */
    static StatusRuntimeException failure(Status.Code code, String reason, String field) {
        return StatusProto.toStatusRuntimeException(com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("it failed")
                .addDetails(Any.pack(ErrorInfo.newBuilder().setReason(reason).setDomain("penchant").build()))
                .addDetails(Any.pack(BadRequest.newBuilder()
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder().setField(field))
                        .build()))
                .addDetails(Any.pack(RetryInfo.newBuilder()
                        .setRetryDelay(Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
                        .build()))
                .build());
    }

    private static <Q, R> void answer(Function<Q, R> function, Q asked, StreamObserver<R> answers) {
        try {
            answers.onNext(function.apply(asked));
            answers.onCompleted();
        } catch (StatusRuntimeException failure) {
            answers.onError(failure);
        }
    }

    private final class Events extends EventServiceGrpc.EventServiceImplBase {
        @Override
        public void recordEvent(RecordEventRequest asked, StreamObserver<RecordEventResponse> answers) {
            answer(record, asked, answers);
        }

        @Override
        public StreamObserver<RecordEventsRequest> recordEvents(StreamObserver<RecordEventsResponse> answers) {
            return events.apply(answers);
        }
    }

    private final class Catalog extends CatalogServiceGrpc.CatalogServiceImplBase {
        @Override
        public StreamObserver<UpsertItemsRequest> upsertItems(StreamObserver<UpsertItemsResponse> answers) {
            return items.apply(answers);
        }
    }

    private final class Recommendations extends RecommendationServiceGrpc.RecommendationServiceImplBase {
        @Override
        public void recommend(RecommendRequest asked, StreamObserver<RecommendResponse> answers) {
            answer(recommend, asked, answers);
        }

        @Override
        public StreamObserver<StreamRecommendationsRequest> streamRecommendations(
                StreamObserver<StreamRecommendationsResponse> answers) {
            return stream.apply(answers);
        }

        @Override
        public void watchRecommendations(
                WatchRecommendationsRequest asked, StreamObserver<WatchRecommendationsResponse> answers) {
            watch.accept(asked, answers);
        }
    }
}
