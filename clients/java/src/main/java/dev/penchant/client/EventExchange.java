package dev.penchant.client;

import dev.penchant.v1.Acknowledgement;
import dev.penchant.v1.RecordEventsRequest;
import dev.penchant.v1.RecordEventsResponse;
import java.util.List;

/** RecordEvents: every event is acknowledged by its ordinal on the connection. */
final class EventExchange implements Exchange<RecordEventsRequest, RecordEventsResponse, Acknowledged> {
    private final Outbox<dev.penchant.v1.Event> outbox;
    private final LastWrites writes;
    /** The whole delivery's number of this connection's event 0. */
    private final long first;

    EventExchange(Outbox<dev.penchant.v1.Event> outbox, LastWrites writes) {
        outbox.rewind();
        this.outbox = outbox;
        this.writes = writes;
        first = outbox.settled();
    }

    @Override
    public RecordEventsRequest request() {
        return RecordEventsRequest.newBuilder().addAllEvents(outbox.take()).build();
    }

    @Override
    public void hear(RecordEventsResponse response, List<Acknowledged> answers) {
        String token = response.getFreshnessToken();
        for (Acknowledgement message : response.getAcknowledgementsList()) {
            long ordinal = first + message.getOrdinal();
            if (ordinal != outbox.settled()) {
                throw Errors.internal(
                        "the service acknowledged event " + ordinal + " where " + outbox.settled() + " was due", null);
            }
            dev.penchant.v1.Event event = outbox.settle();
            PenchantException error = message.hasError() ? Errors.of(message.getError(), null) : null;
            if (error == null) {
                writes.remember(event.getUserId(), token);
            }
            answers.add(new Acknowledged(ordinal, message.getEventId(), message.getUnchanged(), token, error));
        }
    }
}
