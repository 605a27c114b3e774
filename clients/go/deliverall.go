package penchant

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"
)

// deliverAll carries all values and yields their answers. It reads the values in the goroutine that ranges, so that
// nothing of the caller's runs on after the loop.
func deliverAll[V any, E proto.Message, Req, Resp, A any](
	ctx context.Context, d *delivery[E, Req, Resp, A], values iter.Seq[V], encode func(V) (E, error),
) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		d.start(ctx)
		defer d.abandon(nil)
		var none A
		give := func(answers []A) bool {
			for _, answer := range answers {
				if !yield(answer, nil) {
					return false
				}
			}
			return true
		}
		for value := range values {
			element, err := encode(value)
			for taken := false; err == nil && !taken; {
				var answers []A
				if answers, taken, err = d.offer(ctx, element); !give(answers) {
					return
				}
			}
			if err != nil {
				yield(none, err)
				return
			}
		}
		d.finish()
		for {
			answers, err := d.receive(ctx)
			if err != nil {
				yield(none, err)
				return
			}
			if len(answers) == 0 || !give(answers) {
				return
			}
		}
	}
}
