package dev.penchant.client;

import dev.penchant.v1.CatalogServiceGrpc;
import dev.penchant.v1.CatalogServiceGrpc.CatalogServiceBlockingStub;
import dev.penchant.v1.EventServiceGrpc;
import dev.penchant.v1.EventServiceGrpc.EventServiceBlockingStub;
import dev.penchant.v1.ModelServiceGrpc;
import dev.penchant.v1.ModelServiceGrpc.ModelServiceBlockingStub;
import dev.penchant.v1.RecommendationServiceGrpc;
import dev.penchant.v1.RecommendationServiceGrpc.RecommendationServiceBlockingStub;
import dev.penchant.v1.UserServiceGrpc;
import dev.penchant.v1.UserServiceGrpc.UserServiceBlockingStub;
import io.grpc.Channel;

/**
 * The generated stubs, for calls that the client does not cover. They have no deadline of their own, throw gRPC's
 * exceptions, and send the client's key. The asynchronous ones are made with {@code channel}, for example
 * {@code EventServiceGrpc.newStub(stubs.channel())}.
 *
 * @param channel the client's connection; it closes with the client
 * @param events of EventService
 * @param catalog of CatalogService
 * @param recommendations of RecommendationService
 * @param users of UserService
 * @param models of ModelService
 */
public record Stubs(
        Channel channel,
        EventServiceBlockingStub events,
        CatalogServiceBlockingStub catalog,
        RecommendationServiceBlockingStub recommendations,
        UserServiceBlockingStub users,
        ModelServiceBlockingStub models) {
    static Stubs of(Channel channel) {
        return new Stubs(
                channel,
                EventServiceGrpc.newBlockingStub(channel),
                CatalogServiceGrpc.newBlockingStub(channel),
                RecommendationServiceGrpc.newBlockingStub(channel),
                UserServiceGrpc.newBlockingStub(channel),
                ModelServiceGrpc.newBlockingStub(channel));
    }
}
