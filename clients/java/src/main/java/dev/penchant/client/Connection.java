package dev.penchant.client;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.AbstractStub;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** The channel to the service, and how it is called: key, keepalive, deadlines, retries, and errors turned into ours. */
final class Connection {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final ManagedChannel channel;
    private volatile boolean closed;

    final Duration timeout;
    final int retries;
    final Stubs stubs;
    final Readiness ready;
    /** Runs what must happen later; whatever it runs is short. */
    final ScheduledThreadPoolExecutor scheduler;

    Connection(
            String target,
            ChannelCredentials credentials,
            String apiKey,
            Duration timeout,
            int retries,
            List<ClientInterceptor> interceptors) {
        this.timeout = timeout;
        this.retries = retries;
        ManagedChannelBuilder<?> builder = Grpc.newChannelBuilder(
                        target, credentials == null ? InsecureChannelCredentials.create() : credentials)
                .defaultServiceConfig(ServiceConfig.withRetries(retries))
                // What DNS may say about retries would take the place of the above.
                .disableServiceConfigLookUp()
                .enableRetry()
                .keepAliveTime(60, TimeUnit.SECONDS)
                .keepAliveTimeout(10, TimeUnit.SECONDS)
                .keepAliveWithoutCalls(false)
                .intercept(interceptors);
        if (!apiKey.isEmpty()) {
            Metadata headers = new Metadata();
            headers.put(AUTHORIZATION, "Bearer " + apiKey);
            builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
        }
        channel = builder.build();
        ready = new Readiness(channel);
        scheduler = new ScheduledThreadPoolExecutor(1, work -> {
            Thread thread = new Thread(work, "penchant-client");
            thread.setDaemon(true);
            return thread;
        });
        scheduler.setRemoveOnCancelPolicy(true);
        stubs = Stubs.of(ClientInterceptors.intercept(channel, new Reconnecting(channel, scheduler)));
    }

    /** Returns a stub whose next call must be answered in time. */
    <S extends AbstractStub<S>> S timed(S stub) {
        return stub.withDeadlineAfter(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
    }

    /** Makes a call. */
    <T> T ask(Supplier<T> call) {
        checkOpen();
        try {
            return call.get();
        } catch (StatusRuntimeException failed) {
            throw closed ? Errors.cancelled("the client was closed during the call", failed) : Errors.of(failed);
        }
    }

    void checkOpen() {
        if (closed) {
            throw Errors.cancelled("the client is closed; make a new one", null);
        }
    }

    void close() {
        closed = true;
        channel.shutdownNow();
        scheduler.shutdownNow();
    }
}
