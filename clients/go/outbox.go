package penchant

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
)

const (
	// maxBatch is the most elements that the contract allows in one request.
	maxBatch = 1_000
	// requestBytes closes a request before it grows beyond this; servers refuse messages above 4 MiB by default.
	requestBytes = 1 << 20
)

// outbox is what was handed over for a stream and is not yet answered: in order, ready to be sent again. Pure.
//
// The service answers in the order of the requests, so an answer always settles the oldest elements in flight. When a
// connection breaks, everything in flight waits again, at the front; the service knows the events and items that it has
// already taken by their ids, so that sending them twice changes nothing.
//
// What waits is sent at once, unless as many requests are unanswered as the window has room for full ones: one who puts
// faster than the service answers would otherwise send one element in each request, which costs both sides dearly.
type outbox[E proto.Message] struct {
	batch, window int
	// settled counts the elements answered so far: the position of the oldest one that was not.
	settled uint64
	// elements holds those in flight, and behind them those that wait.
	elements []E
	inFlight int
	// requests holds what settled is once each of the requests in flight is answered.
	requests []uint64
}

// size returns how many elements are not answered.
func (o *outbox[E]) size() int { return len(o.elements) }

// waiting reports whether something is to be sent.
func (o *outbox[E]) waiting() bool { return o.inFlight < len(o.elements) }

// due reports whether something is to be sent now; what is not is sent after an answer, or when there is more of it.
func (o *outbox[E]) due() bool {
	waiting := len(o.elements) - o.inFlight
	return waiting >= o.batch || waiting > 0 && len(o.requests) < o.window/o.batch
}

// put adds an element behind all others.
func (o *outbox[E]) put(element E) { o.elements = append(o.elements, element) }

// take returns the next elements to send, none when nothing waits; they are in flight from now on.
func (o *outbox[E]) take() []E {
	waiting := o.elements[o.inFlight:]
	count, size := 0, 0
	for count < len(waiting) && count < o.batch {
		size += proto.Size(waiting[count])
		if count > 0 && size > requestBytes {
			break
		}
		count++
	}
	if count > 0 {
		o.inFlight += count
		o.requests = append(o.requests, o.settled+uint64(o.inFlight))
	}
	return slices.Clone(waiting[:count])
}

// settle lets go of the oldest elements in flight and returns them.
func (o *outbox[E]) settle(count int) ([]E, error) {
	if count > o.inFlight {
		return nil, internal(fmt.Sprintf("the service answered %d elements where %d were sent", count, o.inFlight))
	}
	answered := slices.Clone(o.elements[:count])
	clear(o.elements[:count]) // the array lives on for a while, what was answered need not
	o.elements = o.elements[count:]
	o.inFlight -= count
	o.settled += uint64(count)
	for len(o.requests) > 0 && o.requests[0] <= o.settled {
		o.requests = o.requests[1:]
	}
	return answered, nil
}

// rewind lets everything in flight wait again, in the same order.
func (o *outbox[E]) rewind() { o.inFlight, o.requests = 0, nil }

// rest returns everything that is not answered, in order.
func (o *outbox[E]) rest() []E { return slices.Clone(o.elements) }
