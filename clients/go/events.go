package penchant

import (
	"context"
	"iter"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// Record records one event; when it returns, the event is durable. An event without an id gets one before it is sent, so
// that a retry counts once.
func (c *Client) Record(ctx context.Context, event Event) (*Recorded, error) {
	message, err := encodeEvent(event)
	if err != nil {
		return nil, err
	}
	response, err := ask(ctx, c, c.stubs.Events.RecordEvent, &penchantv1.RecordEventRequest{Event: message})
	if err != nil {
		return nil, err
	}
	c.tokens.remember(event.UserID, response.GetFreshnessToken())
	return &Recorded{
		EventID:        response.GetEventId(),
		FreshnessToken: response.GetFreshnessToken(),
		Unchanged:      response.GetUnchanged(),
	}, nil
}

// RecordMany records many events over one stream and yields what became of each, in order; an error is the last and ends
// the stream. Use [slices.Values] for a slice.
//
// The events are read in the goroutine that ranges, between answers: use a [Recorder] for a source that makes one wait.
// When the service is unavailable, what was not acknowledged is sent again, in order; an event that had arrived then
// comes back as unchanged.
func (c *Client) RecordMany(
	ctx context.Context, events iter.Seq[Event], options ...SendOption,
) iter.Seq2[Acknowledged, error] {
	return func(yield func(Acknowledged, error) bool) {
		sent, err := newEventDelivery(c, c.limits(options), nil)
		if err != nil {
			yield(Acknowledged{}, err)
			return
		}
		deliverAll(ctx, sent, events, encodeEvent)(yield)
	}
}
