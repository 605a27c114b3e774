package dev.penchant.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A channel that is in the state that a test says, and tells of changes at once. */
final class FakeChannel extends ManagedChannel {
    ConnectivityState state = ConnectivityState.TRANSIENT_FAILURE;
    /** How often it was asked to connect while it was idle. */
    int asked;
    /** How often its wait was cut short. */
    int knocks;

    List<Runnable> watches = new ArrayList<>();

    void become(ConnectivityState next) {
        state = next;
        List<Runnable> told = watches;
        watches = new ArrayList<>();
        told.forEach(Runnable::run);
    }

    @Override
    public ConnectivityState getState(boolean requestConnection) {
        if (requestConnection && state == ConnectivityState.IDLE) {
            asked++;
        }
        return state;
    }

    @Override
    public void notifyWhenStateChanged(ConnectivityState source, Runnable callback) {
        watches.add(callback);
    }

    @Override
    public void resetConnectBackoff() {
        knocks++;
    }

    @Override
    public <Q, R> ClientCall<Q, R> newCall(MethodDescriptor<Q, R> method, CallOptions options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public String authority() {
        throw new UnsupportedOperationException();
    }

    @Override
    public ManagedChannel shutdown() {
        become(ConnectivityState.SHUTDOWN);
        return this;
    }

    @Override
    public ManagedChannel shutdownNow() {
        return shutdown();
    }

    @Override
    public boolean isShutdown() {
        return state == ConnectivityState.SHUTDOWN;
    }

    @Override
    public boolean isTerminated() {
        return isShutdown();
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
        return isShutdown();
    }
}
