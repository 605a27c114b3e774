package penchant

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	penchantv1 "penchant.dev/go/penchant/v1"
)

const (
	defaultBatch    = 100
	defaultWindow   = 1_000
	defaultPatience = 60 * time.Second
)

func (c *Client) limits(options []SendOption) limits {
	chosen := limits{batch: defaultBatch, window: defaultWindow, patience: defaultPatience, retries: c.retries}
	for _, option := range options {
		option(&chosen)
	}
	return chosen
}

func (l limits) check() error {
	switch {
	case l.batch < 1 || l.batch > maxBatch:
		return invalid("batch", fmt.Sprintf("%d is not within 1–%d", l.batch, maxBatch))
	case l.window < l.batch:
		return invalid("window", fmt.Sprintf("%d is below batch, %d", l.window, l.batch))
	case l.patience <= 0:
		return invalid("patience", l.patience.String()+" is not above 0")
	}
	return nil
}

// delivery carries elements (E) over a stream of requests and responses until all have their answers (A), through as many
// connections as it takes.
//
// The rules: at most a window of elements is unanswered; requests are filled with what is there, and wait for more only
// while many are unanswered; UNAVAILABLE, or a stream that the service ends early, opens the next connection, which begins with the oldest element that was not answered. It
// gives up when the service was never heard after so many retries, or when something waits for an answer for longer than
// its patience. Once the service was heard, the next attempt waits until there is a connection. Without anything to send
// it asks for none.
//
// One goroutine, carry, owns the connection; a second one, talk, writes to it. All share the fields below mu.
type delivery[E proto.Message, Req, Resp, A any] struct {
	open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[Req, Resp], error)
	// ready waits until there is a connection.
	ready    func(context.Context) error
	exchange func(*outbox[E]) exchange[Req, Resp, A]
	// deliver is given answers as they come, by carry; nil: they are kept for receive.
	deliver func([]A)
	limits  limits
	stop    context.CancelCauseFunc
	done    chan struct{} // closed when carry has ended

	mu         sync.Mutex
	changed    chan struct{} // closed, and replaced, whenever something below changes
	outbox     outbox[E]
	answers    []A
	delivering bool
	closed     bool  // nothing more will be put
	ended      bool  // carry has ended; failure says how
	failure    error // why it gave up
	lost       error // why there is no connection at the moment
	watchdog   *time.Timer
	due        time.Time // when patience ends; zero: nothing is awaited
}

func newEventDelivery(c *Client, l limits, deliver func([]Acknowledged)) (
	*delivery[*penchantv1.Event, penchantv1.RecordEventsRequest, penchantv1.RecordEventsResponse, Acknowledged], error,
) {
	type events = exchange[penchantv1.RecordEventsRequest, penchantv1.RecordEventsResponse, Acknowledged]
	return newDelivery(c.stubs.Events.RecordEvents, c.ready, func(box *outbox[*penchantv1.Event]) events {
		return newEventExchange(box, c.tokens)
	}, deliver, l)
}

func newItemDelivery(c *Client, l limits) (
	*delivery[*penchantv1.Item, penchantv1.UpsertItemsRequest, penchantv1.UpsertItemsResponse, UpsertResult], error,
) {
	type items = exchange[penchantv1.UpsertItemsRequest, penchantv1.UpsertItemsResponse, UpsertResult]
	return newDelivery(c.stubs.Catalog.UpsertItems, c.ready, func(box *outbox[*penchantv1.Item]) items {
		return newItemExchange(box)
	}, nil, l)
}

func newDelivery[E proto.Message, Req, Resp, A any](
	open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[Req, Resp], error),
	ready func(context.Context) error,
	exchange func(*outbox[E]) exchange[Req, Resp, A],
	deliver func([]A),
	l limits,
) (*delivery[E, Req, Resp, A], error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return &delivery[E, Req, Resp, A]{
		open: open, ready: ready, exchange: exchange, deliver: deliver, limits: l,
		done: make(chan struct{}), changed: make(chan struct{}), outbox: outbox[E]{batch: l.batch, window: l.window},
	}, nil
}

// start begins to carry, until everything is answered or ctx ends.
func (d *delivery[E, Req, Resp, A]) start(ctx context.Context) {
	ctx, d.stop = context.WithCancelCause(ctx)
	d.watchdog = time.AfterFunc(d.limits.patience, d.losePatience)
	d.watchdog.Stop()
	go d.carry(ctx)
}

// put waits for room and hands an element over.
func (d *delivery[E, Req, Resp, A]) put(ctx context.Context, element E) error {
	if err := d.await(ctx, func() bool { return d.closed || d.hasRoom() }); err != nil {
		return err
	}
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	d.add(element)
	return nil
}

// offer is put for one who also takes the answers: it returns those that came, and whether there was room.
func (d *delivery[E, Req, Resp, A]) offer(ctx context.Context, element E) (answers []A, taken bool, err error) {
	if err := d.await(ctx, func() bool { return len(d.answers) > 0 || d.hasRoom() }); err != nil {
		return nil, false, err
	}
	defer d.mu.Unlock()
	if d.hasRoom() {
		d.add(element)
		taken = true
	}
	return d.collect(), taken, nil
}

// receive waits for answers and returns them; none when everything was answered.
func (d *delivery[E, Req, Resp, A]) receive(ctx context.Context) ([]A, error) {
	if err := d.await(ctx, func() bool { return len(d.answers) > 0 || d.ended && d.failure == nil }); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	return d.collect(), nil
}

// flush waits until nothing put is unanswered, and all answers are delivered.
func (d *delivery[E, Req, Resp, A]) flush(ctx context.Context) error {
	if err := d.await(ctx, func() bool { return d.outbox.size() == 0 && !d.delivering }); err != nil {
		return err
	}
	d.mu.Unlock()
	return nil
}

// finish says that nothing more will be put.
func (d *delivery[E, Req, Resp, A]) finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.expectAnswer()
	d.wake()
}

// abandon ends carrying, for a reason, and returns when it has ended.
func (d *delivery[E, Req, Resp, A]) abandon(reason error) {
	d.stop(reason)
	<-d.done
}

// hasRoom is false once it failed, so that nothing is put where nobody carries it. Call it with mu held.
func (d *delivery[E, Req, Resp, A]) hasRoom() bool {
	return d.failure == nil && d.outbox.size() < d.limits.window
}

// add needs mu held, as do collect, expectAnswer and wake.
func (d *delivery[E, Req, Resp, A]) add(element E) {
	d.outbox.put(element)
	if d.outbox.size() == 1 {
		d.expectAnswer()
	}
	d.wake()
}

func (d *delivery[E, Req, Resp, A]) collect() []A {
	answers := d.answers
	d.answers = nil
	return answers
}

// expectAnswer gives the service its full time anew.
func (d *delivery[E, Req, Resp, A]) expectAnswer() {
	if d.ended || d.outbox.size() == 0 && !d.closed {
		d.due = time.Time{}
		d.watchdog.Stop()
		return
	}
	d.due = time.Now().Add(d.limits.patience)
	d.watchdog.Reset(d.limits.patience)
}

func (d *delivery[E, Req, Resp, A]) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *delivery[E, Req, Resp, A]) losePatience() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.due.IsZero() || time.Now().Before(d.due) {
		return // an answer came while the timer fired
	}
	reason := d.lost
	if reason == nil {
		reason = deadlineExceeded(fmt.Sprintf(
			"no answer for %s, %d elements are not answered", d.limits.patience, d.outbox.size()))
	}
	d.stop(reason)
}

// await waits until something is so and returns with mu held; or, without it, with what ended the waiting.
func (d *delivery[E, Req, Resp, A]) await(ctx context.Context, ready func() bool) error {
	d.mu.Lock()
	for !ready() {
		failure, changed := d.failure, d.changed
		d.mu.Unlock()
		if failure != nil {
			return failure
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return endOf(ctx)
		}
		d.mu.Lock()
	}
	return nil
}
