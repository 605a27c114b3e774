package penchant

import (
	"context"
	"errors"
	"sync"
	"time"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// receiver returns the next update of one connection; io.EOF when the service ended it.
type receiver func() (*penchantv1.RecommendationUpdate, error)

// follower reads updates, and opens the next connection where the last one ended.
//
// A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
// token it goes on for as long as the caller listens, whenever the service is unavailable or said that it goes away: as
// soon as there is a connection again, since attempts without one would only lengthen the pauses.
// A goroutine of each connection reads into its mailbox: one who is slow is given the newest list and not those between.
type follower struct {
	connect  func(context.Context) (receiver, error)
	ready    func(context.Context) error // waits until there is a connection
	retries  int
	patience time.Duration

	mu        sync.Mutex // of what is below, which is told what was shown while updates are read
	following *following
	mailbox   *mailbox // of the connection of the moment; nil: there is none
}

// follow yields the newest list whenever there is one that it did not yield, over as many connections as it takes.
func (f *follower) follow(ctx context.Context, yield func(*Update, error) bool) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first := f.firstDeadline(cancel)
	defer first.Stop()
	pause := newBackoff()
	for {
		err := f.converse(ctx, first, pause, yield)
		if errors.Is(err, errEnough) {
			return
		}
		if ctx.Err() == nil && f.goesOn(err, pause) {
			if sleep(ctx, pause.next()) == nil {
				continue
			}
		}
		if ctx.Err() != nil {
			err = endOf(ctx)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
		return
	}
}

// errEnough ends a sequence without an error: the caller has seen enough.
var errEnough = errors.New("enough")

// firstDeadline bounds the time to the first update of the loop.
func (f *follower) firstDeadline(cancel context.CancelCauseFunc) *time.Timer {
	timer := time.AfterFunc(f.patience, func() {
		cancel(deadlineExceeded("no first update within " + f.patience.String()))
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.following.sequence > 0 {
		timer.Stop() // a loop that goes on where another one ended may wait for long
	}
	return timer
}

func (f *follower) resumable() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.following.resumable()
}

// goesOn reports whether another connection follows one that ended so; nil: the service ended it.
func (f *follower) goesOn(err error, pause *backoff) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		return f.following.goingAway
	}
	untold := f.following.sequence == 0 && pause.failures < f.retries
	return isUnavailable(err) && (f.following.resumable() || untold)
}

// converse yields the updates of one connection, and returns how it ended; nil: the service ended it.
func (f *follower) converse(
	ctx context.Context, first *time.Timer, pause *backoff, yield func(*Update, error) bool,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.resumable() {
		if err := f.ready(ctx); err != nil {
			return err
		}
	}
	box := f.begin()
	defer f.end()
	receive, err := f.connect(ctx)
	if err != nil {
		return errorOf(err)
	}
	go box.read(receive)
	defer func() { cancel(); <-box.ended }() // nothing runs on after the loop
	for {
		message, err := box.take()
		if ctx.Err() != nil {
			return ctx.Err() // what waits is not for one who has left
		}
		if message == nil {
			return err
		}
		f.mu.Lock()
		untold := f.following.sequence == 0
		update, err := f.following.accept(message)
		goingAway := f.following.goingAway
		f.mu.Unlock()
		if err != nil {
			return err
		}
		if update == nil {
			continue
		}
		if untold && !first.Stop() {
			<-ctx.Done() // too late by a hair: one answer only
			return ctx.Err()
		}
		if !goingAway {
			pause.succeeded()
		}
		if !yield(update, nil) {
			return errEnough
		}
	}
}

// begin makes the mailbox of the next connection. It is there before anything is said on that connection.
func (f *follower) begin() *mailbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mailbox = newMailbox(f.following.sequence)
	return f.mailbox
}

func (f *follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mailbox = nil
}

// shown returns the message that says what is on the screen, and nil where it had better not be sent: of an update that
// the service has forgotten it would end the stream, and a newer one is about to be given. It needs mu held.
func (f *follower) shown(positions int, sequence uint64) (*penchantv1.StreamRecommendationsRequest, error) {
	message, err := f.following.shown(positions, sequence)
	if err != nil || f.mailbox != nil && !f.mailbox.remembers(message.GetShown().GetStreamSequence()) {
		return nil, err
	}
	return message, nil
}
