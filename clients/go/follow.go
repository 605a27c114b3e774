package penchant

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// receiver returns the next update of one connection; io.EOF when the service ended it.
type receiver func() (*penchantv1.RecommendationUpdate, error)

// follower reads updates, and opens the next connection where the last one ended.
//
// A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
// token it goes on for as long as the caller listens, whenever the service is unavailable or said that it goes away.
// Updates are read when the caller asks for them and at no other time: for one who is slow, gRPC's flow control holds the
// service back, and bounds what waits here.
type follower struct {
	connect  func(context.Context) (receiver, error)
	retries  int
	patience time.Duration

	mu        sync.Mutex // of following, which is told what was shown while updates are read
	following *following
}

// follow yields every update once, over as many connections as it takes.
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
	receive, err := f.connect(ctx)
	if err != nil {
		return errorOf(err)
	}
	for {
		message, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errorOf(err)
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
