package dev.penchant.client;

import java.util.List;

/**
 * What is said on one connection: it translates between the numbers of that connection and those of the whole delivery.
 * Making one means that the connection before is gone. Pure.
 */
interface Exchange<Q, R, A> {
    /** Returns the next request; something must be waiting. */
    Q request();

    /** Settles what a response answers and adds the answers; throws when it breaks the contract, after those before that. */
    void hear(R response, List<A> answers);
}
