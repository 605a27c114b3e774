package penchant

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstDelay   = 50 * time.Millisecond
	longestDelay = 5 * time.Second
)

// backoff gives delays that double from 50 ms to 5 s, each shortened by up to a half at random so that clients spread
// out. It paces streams only: unary calls are tried again by gRPC itself, which cannot know where a stream stopped.
type backoff struct {
	// failures counts the delays taken since the last success.
	failures int
	// draw returns a number in [0, 1).
	draw func() float64
}

func newBackoff() *backoff { return &backoff{draw: rand.Float64} }

// next returns how long to wait before the next attempt.
func (b *backoff) next() time.Duration {
	longest := longestDelay
	// Beyond ten doublings the limit holds anyway, and a shift would overflow in the end.
	if b.failures < 10 {
		longest = min(longest, firstDelay<<b.failures)
	}
	b.failures++
	return time.Duration(float64(longest) * (1 - b.draw()/2))
}

// succeeded begins again with the shortest delay.
func (b *backoff) succeeded() { b.failures = 0 }

// sleep waits, or returns why the context ended before that.
func sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return endOf(ctx)
	}
}
