package dev.penchant.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts the calls of a method that a client makes, also those that reach no service. */
final class Attempts implements ClientInterceptor {
    private final String method;
    private final AtomicInteger count = new AtomicInteger();

    Attempts(String method) {
        this.method = method;
    }

    int count() {
        return count.get();
    }

    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> called, CallOptions options, Channel through) {
        if (called.getBareMethodName().equals(method)) {
            count.incrementAndGet();
        }
        return through.newCall(called, options);
    }
}
