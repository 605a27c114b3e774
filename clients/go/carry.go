package penchant

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// carry runs until everything is answered and nothing more will be put, or until it must give up.
func (d *delivery[E, Req, Resp, A]) carry(ctx context.Context) {
	err := d.converseUntilDelivered(ctx)
	if ctx.Err() != nil {
		err = endOf(ctx)
	}
	d.mu.Lock()
	if d.closed && d.outbox.size() == 0 {
		err = nil // everything was answered; how the last connection ended does not matter
	}
	d.ended, d.failure = true, err
	d.expectAnswer()
	d.wake()
	d.mu.Unlock()
	d.stop(nil)
	close(d.done)
}

func (d *delivery[E, Req, Resp, A]) converseUntilDelivered(ctx context.Context) error {
	pause := newBackoff()
	for {
		if err := d.await(ctx, func() bool { return d.outbox.size() > 0 || d.closed }); err != nil {
			return err
		}
		settled, delivered := d.outbox.settled, d.outbox.size() == 0
		d.mu.Unlock()
		if delivered {
			return nil
		}
		if settled > 0 {
			// Attempts without a connection would only lengthen the pauses.
			if err := d.ready(ctx); err != nil {
				return err
			}
		}
		lost := errorOf(d.converse(ctx))
		if lost == nil {
			lost = unavailable("the service ended the stream before it had answered everything")
		} else if !isUnavailable(lost) {
			return lost
		}
		d.mu.Lock()
		d.lost = lost
		heard, progress, empty := d.outbox.settled > 0, d.outbox.settled > settled, d.outbox.size() == 0
		d.mu.Unlock()
		if empty {
			continue // what is put next waits for no connection that nobody needed
		}
		if progress {
			pause.succeeded()
		}
		if !heard && pause.failures >= d.limits.retries {
			return lost
		}
		if err := sleep(ctx, pause.next()); err != nil {
			return err
		}
	}
}

// converse speaks on one connection, and returns how it ended; nil: the service ended it.
func (d *delivery[E, Req, Resp, A]) converse(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := d.open(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	said := d.exchange(&d.outbox)
	d.mu.Unlock()
	talking := make(chan struct{})
	go func() {
		defer close(talking)
		d.talk(ctx, stream, said)
	}()
	// The next connection must not begin while this one still takes from the outbox.
	defer func() { cancel(); <-talking }()
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.hear(said, response); err != nil {
			return err
		}
	}
}

// talk writes until nothing more will be put. A failed write says less than what converse is about to read.
func (d *delivery[E, Req, Resp, A]) talk(
	ctx context.Context, stream grpc.BidiStreamingClient[Req, Resp], said exchange[Req, Resp, A],
) {
	for {
		if err := d.await(ctx, func() bool { return d.outbox.due() || d.closed && !d.outbox.waiting() }); err != nil {
			return
		}
		if !d.outbox.waiting() {
			d.mu.Unlock()
			_ = stream.CloseSend()
			return
		}
		request := said.request()
		d.mu.Unlock()
		if stream.Send(request) != nil {
			return
		}
	}
}

func (d *delivery[E, Req, Resp, A]) hear(said exchange[Req, Resp, A], response *Resp) error {
	d.mu.Lock()
	answers, err := said.answers(response)
	if len(answers) == 0 && err == nil {
		d.mu.Unlock()
		return nil // a later service may say things that are not known here; they are no answer
	}
	d.lost = nil
	d.expectAnswer()
	if d.deliver == nil {
		d.answers = append(d.answers, answers...)
		answers = nil
	}
	d.delivering = len(answers) > 0
	d.wake() // there is room again, even while the caller is busy with the answers
	d.mu.Unlock()
	if len(answers) > 0 {
		d.deliver(answers)
		d.mu.Lock()
		d.delivering = false
		d.wake()
		d.mu.Unlock()
	}
	return err
}
