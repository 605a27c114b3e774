package dev.penchant.client;

import dev.penchant.v1.RecommendationServiceGrpc.RecommendationServiceStub;
import dev.penchant.v1.RecommendationUpdate;
import dev.penchant.v1.StreamRecommendationsRequest;
import dev.penchant.v1.StreamRecommendationsResponse;
import dev.penchant.v1.WatchRecommendationsRequest;
import dev.penchant.v1.WatchRecommendationsResponse;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.function.Function;

/** The two calls that follow a user, as {@link Follower} wants them. */
final class Lines {
    private Lines() {}

    /** A call that can be steered. */
    static Follower.Connector steered(RecommendationServiceStub stub) {
        return (start, listener) -> {
            Call<StreamRecommendationsRequest, StreamRecommendationsResponse> call =
                    new Call<>(listener, one -> one.hasUpdate() ? one.getUpdate() : null) {
                        @Override
                        public void say(StreamRecommendationsRequest message) {
                            call.onNext(message);
                        }
                    };
            stub.streamRecommendations(call);
            call.say(StreamRecommendationsRequest.newBuilder().setOpen(start).build());
            return call;
        };
    }

    /** A call that only listens. */
    static Follower.Connector watching(RecommendationServiceStub stub) {
        return (start, listener) -> {
            Call<WatchRecommendationsRequest, WatchRecommendationsResponse> call =
                    new Call<>(listener, one -> one.hasUpdate() ? one.getUpdate() : null);
            stub.watchRecommendations(WatchRecommendationsRequest.newBuilder().setOpen(start).build(), call);
            return call;
        };
    }

    private static class Call<Q, R> implements ClientResponseObserver<Q, R>, Follower.Line {
        private final Follower.Listener listener;
        /** Null: the response carries nothing that is known here. */
        private final Function<R, RecommendationUpdate> update;

        protected ClientCallStreamObserver<Q> call;

        Call(Follower.Listener listener, Function<R, RecommendationUpdate> update) {
            this.listener = listener;
            this.update = update;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<Q> stream) {
            call = stream;
        }

        @Override
        public void say(StreamRecommendationsRequest message) {
            // Who only listens has nothing to say.
        }

        @Override
        public void leave() {
            call.cancel("left", null);
        }

        @Override
        public void onNext(R response) {
            RecommendationUpdate found = update.apply(response);
            if (found != null) {
                listener.heard(found);
            }
        }

        @Override
        public void onError(Throwable failure) {
            listener.ended(Errors.of(failure));
        }

        @Override
        public void onCompleted() {
            listener.ended(null);
        }
    }
}
