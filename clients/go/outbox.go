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
type outbox[E proto.Message] struct {
	batch int
	// settled counts the elements answered so far: the position of the oldest one that was not.
	settled uint64
	// elements holds those in flight, and behind them those that wait.
	elements []E
	inFlight int
}

// size returns how many elements are not answered.
func (o *outbox[E]) size() int { return len(o.elements) }

// waiting reports whether something is to be sent.
func (o *outbox[E]) waiting() bool { return o.inFlight < len(o.elements) }

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
	o.inFlight += count
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
	return answered, nil
}

// rewind lets everything in flight wait again, in the same order.
func (o *outbox[E]) rewind() { o.inFlight = 0 }

// rest returns everything that is not answered, in order.
func (o *outbox[E]) rest() []E { return slices.Clone(o.elements) }
