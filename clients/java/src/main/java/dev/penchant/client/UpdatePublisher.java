package dev.penchant.client;

import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Hands the updates of a stream to one subscriber, as many as it requests. */
final class UpdatePublisher implements Flow.Publisher<Update> {
    private final UpdateStream stream;
    private final Executor executor;
    private final AtomicBoolean subscribed = new AtomicBoolean();

    UpdatePublisher(UpdateStream stream, Executor executor) {
        this.stream = stream;
        this.executor = executor;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super Update> subscriber) {
        if (!subscribed.compareAndSet(false, true)) {
            subscriber.onSubscribe(new Flow.Subscription() {
                @Override
                public void request(long count) {}

                @Override
                public void cancel() {}
            });
            subscriber.onError(new IllegalStateException("the stream has a subscriber; open another stream"));
            return;
        }
        Subscription subscription = new Subscription(subscriber);
        subscriber.onSubscribe(subscription);
        stream.follower.listen(subscription::wake);
    }

    private final class Subscription implements Flow.Subscription {
        private final Flow.Subscriber<? super Update> subscriber;
        private final AtomicLong wanted = new AtomicLong();
        /** Reasons to look that were not looked into; above 0 while somebody is looking, so that only one does. */
        private final AtomicInteger due = new AtomicInteger();
        /** Nothing more may be said to the subscriber. */
        private volatile boolean over;

        private volatile boolean misused;

        Subscription(Flow.Subscriber<? super Update> subscriber) {
            this.subscriber = subscriber;
        }

        @Override
        public void request(long count) {
            misused |= count <= 0;
            wanted.getAndUpdate(before -> count <= 0 || before + count < 0 ? Long.MAX_VALUE : before + count);
            wake();
        }

        @Override
        public void cancel() {
            over = true;
            stream.close();
        }

        void wake() {
            if (due.getAndIncrement() == 0) {
                executor.execute(this::look);
            }
        }

        private void look() {
            int looked = due.get();
            do {
                if (!over) {
                    give();
                }
                looked = due.addAndGet(-looked);
            } while (looked != 0);
        }

        private void give() {
            try {
                if (misused) {
                    finish(new IllegalArgumentException("request: the count is not above 0"));
                    return;
                }
                Follower follower = stream.follower;
                while (!over && wanted.get() > 0) {
                    Update update = stream.take();
                    if (update == null) {
                        break;
                    }
                    wanted.decrementAndGet();
                    subscriber.onNext(update);
                }
                if (!over && follower.isEnded() && !follower.look(Following::hasPending)) {
                    finish(follower.failure());
                }
            } catch (RuntimeException thrown) { // by the subscriber, who then wants no more
                finish(thrown);
            }
        }

        private void finish(RuntimeException reason) {
            over = true;
            stream.close();
            if (reason == null) {
                subscriber.onComplete();
            } else {
                subscriber.onError(reason);
            }
        }
    }
}
