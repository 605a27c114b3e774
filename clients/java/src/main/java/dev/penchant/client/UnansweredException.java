package dev.penchant.client;

import io.grpc.Status;
import java.util.List;

/**
 * Events were left over when a recorder, or a client with recorders, was closed; the cause says why. Some of them may have
 * been recorded: their answers did not arrive. They have ids, so putting them into another recorder counts each once.
 */
public final class UnansweredException extends PenchantException {
    private static final long serialVersionUID = 1L;

    private final transient List<Event> events;

    UnansweredException(List<Event> events, RuntimeException cause) {
        super(new Problem(
                cause instanceof PenchantException known ? known.code() : Status.Code.CANCELLED,
                events.size() + " events are not answered: " + cause.getMessage(),
                cause));
        this.events = List.copyOf(events);
    }

    /**
     * Returns the events without an answer, the oldest of each recorder first.
     *
     * @return the events, with their ids; none after the exception was serialized
     */
    public List<Event> events() {
        return events == null ? List.of() : events;
    }
}
