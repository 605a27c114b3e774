package penchant

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"

	penchantv1 "penchant.dev/go/penchant/v1"
)

var errClosed = &Error{
	Kind: ErrFailedPrecondition, Code: codes.FailedPrecondition, Message: "the recorder is closed; make a new one",
}

var errClientClosed = &Error{
	Kind: ErrCancelled, Code: codes.Canceled, Message: "the client was closed; make a new one",
}

// errAbandoned ends a recorder whose Close may wait no longer.
var errAbandoned = &Error{
	Kind: ErrCancelled, Code: codes.Canceled, Message: "the recorder was closed before everything was answered",
}

// Recorder sends events over one long stream, in order, without a wait for each answer. When the stream breaks, all that
// is unanswered is sent again on the next one; events have ids, so none counts twice. It is safe for use by many
// goroutines at once. Close it when done; [Client.Close] closes those that are open. A program that ends without either
// takes along what is unanswered.
type Recorder struct {
	client   *Client
	delivery *delivery[
		*penchantv1.Event, penchantv1.RecordEventsRequest, penchantv1.RecordEventsResponse, Acknowledged]
}

// UnansweredError is what [Recorder.Close] and [Client.Close] return when events are left over. Some of them may have been recorded: their
// answers did not arrive. They have ids, so putting them into another recorder counts each once.
type UnansweredError struct {
	// Events are those without an answer, in the order of each recorder.
	Events []Event
	// Err is why.
	Err error
}

// Error counts the events and says why.
func (e *UnansweredError) Error() string {
	return fmt.Sprintf("penchant: %d events are not answered: %v", len(e.Events), e.Err)
}

// Unwrap returns Err.
func (e *UnansweredError) Unwrap() error { return e.Err }

// Recorder returns a recorder. It connects when there is something to send, and gives up when the service was never heard
// after the client's retries, or answers nothing for [WithPatience]; everything fails then.
//
// acknowledged is told what became of each event, refused ones included, in order and from one goroutine; while it runs,
// no further answers are read; it must return, and not call the recorder or close the client. nil: nobody wants to know.
func (c *Client) Recorder(acknowledged func(Acknowledged), options ...SendOption) (*Recorder, error) {
	deliver := func(answers []Acknowledged) {
		for _, answer := range answers {
			if acknowledged != nil {
				acknowledged(answer)
			}
		}
	}
	sent, err := newEventDelivery(c, c.limits(options), deliver)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClientClosed
	}
	sent.start(context.Background())
	opened := &Recorder{c, sent}
	c.recorders = append(c.recorders, opened)
	return opened, nil
}

// Put hands an event over, waiting while [WithWindow] events are unanswered. It is sent in the background.
func (r *Recorder) Put(ctx context.Context, event Event) error {
	message, err := encodeEvent(event)
	if err != nil {
		return err
	}
	return r.delivery.put(ctx, message)
}

// Flush waits until everything put is answered, and the answers were told.
func (r *Recorder) Flush(ctx context.Context) error { return r.delivery.flush(ctx) }

// Close flushes and ends the stream, as far as ctx and [WithPatience] allow. What is unanswered then comes back in an
// [*UnansweredError]. Closing again returns the same.
func (r *Recorder) Close(ctx context.Context) error {
	r.delivery.finish()
	select {
	case <-r.delivery.done:
	case <-ctx.Done():
		r.delivery.abandon(errAbandoned)
	}
	r.client.forget(r)
	if left := r.unanswered(); left != nil {
		return left
	}
	return nil
}

// unanswered returns what is left of a recorder that has ended; nil: nothing.
func (r *Recorder) unanswered() *UnansweredError {
	r.delivery.mu.Lock()
	defer r.delivery.mu.Unlock()
	if rest := r.delivery.outbox.rest(); len(rest) > 0 {
		return &UnansweredError{Events: each(rest, decodeEvent), Err: r.delivery.failure}
	}
	return nil
}

func (c *Client) forget(closed *Recorder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recorders = slices.DeleteFunc(c.recorders, func(one *Recorder) bool { return one == closed })
}

// closeRecorders closes those that are open, within the client's timeout. No others are made after it.
func (c *Client) closeRecorders() error {
	c.mu.Lock()
	c.closed = true
	open := slices.Clone(c.recorders)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	for _, one := range open {
		one.delivery.finish() // nothing is put into the last one while the first one closes
	}
	var events []Event
	var causes []error
	for _, one := range open {
		_ = one.Close(ctx)
		if left := one.unanswered(); left != nil {
			events, causes = append(events, left.Events...), append(causes, left.Err)
		}
	}
	if len(events) == 0 {
		return nil
	}
	late := deadlineExceeded(fmt.Sprintf("the client was closed before that: %v", causes[0]))
	late.cause = errors.Join(causes...)
	return &UnansweredError{Events: events, Err: late}
}
