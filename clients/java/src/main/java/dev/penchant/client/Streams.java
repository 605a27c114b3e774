package dev.penchant.client;

import dev.penchant.v1.RecommendationServiceGrpc;
import dev.penchant.v1.RecommendationServiceGrpc.RecommendationServiceStub;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** The streams of a client that are open. */
final class Streams {
    private final Connection connection;
    private final LastWrites writes;
    private final Set<Follower> open = ConcurrentHashMap.newKeySet();

    Streams(Connection connection, LastWrites writes) {
        this.connection = connection;
        this.writes = writes;
    }

    Follower follow(
            Function<RecommendationServiceStub, Follower.Connector> call,
            String userId,
            ListOptions options,
            ReadOptions reads) {
        connection.checkOpen();
        RecommendationServiceStub stub = RecommendationServiceGrpc.newStub(connection.stubs.channel());
        Follower follower = new Follower(
                Encode.start(userId, options, writes.reading(userId, reads)),
                call.apply(stub),
                connection,
                open::remove);
        open.add(follower);
        follower.start();
        return follower;
    }

    void close() {
        open.forEach(one -> one.end(Errors.cancelled("the client was closed", null)));
    }
}
