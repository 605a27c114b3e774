package penchant

import (
	"fmt"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// exchange is what is said on one connection: it translates between the numbers of that connection and those of the
// whole delivery. Making one means that the connection before is gone. Pure.
type exchange[Req, Resp, A any] interface {
	// request returns the next request; something must be waiting.
	request() *Req
	// answers settles what a response answers, none when it says nothing that is known; beside an error it returns what
	// was answered before that.
	answers(response *Resp) ([]A, error)
}

// eventExchange is RecordEvents: every event is acknowledged by its ordinal on the connection.
type eventExchange struct {
	outbox *outbox[*penchantv1.Event]
	first  uint64 // the whole delivery's number of this connection's event 0
	tokens *tokens
}

func newEventExchange(box *outbox[*penchantv1.Event], known *tokens) *eventExchange {
	box.rewind()
	return &eventExchange{outbox: box, first: box.settled, tokens: known}
}

func (x *eventExchange) request() *penchantv1.RecordEventsRequest {
	return &penchantv1.RecordEventsRequest{Events: x.outbox.take()}
}

func (x *eventExchange) answers(response *penchantv1.RecordEventsResponse) ([]Acknowledged, error) {
	answers := make([]Acknowledged, 0, len(response.GetAcknowledgements()))
	for _, message := range response.GetAcknowledgements() {
		ordinal := x.first + message.GetOrdinal()
		if ordinal != x.outbox.settled {
			return answers, internal(
				fmt.Sprintf("the service acknowledged event %d where %d was due", ordinal, x.outbox.settled))
		}
		events, err := x.outbox.settle(1)
		if err != nil {
			return answers, err
		}
		answer := Acknowledged{
			Ordinal:        ordinal,
			EventID:        message.GetEventId(),
			Unchanged:      message.GetUnchanged(),
			FreshnessToken: response.GetFreshnessToken(),
		}
		if message.GetError() != nil {
			answer.Err = errorOfStatus(message.GetError())
		} else {
			x.tokens.remember(events[0].GetUserId(), response.GetFreshnessToken())
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// itemExchange is UpsertItems: every request is answered as a whole.
type itemExchange struct {
	outbox *outbox[*penchantv1.Item]
	sizes  []int // of the requests in flight
}

func newItemExchange(box *outbox[*penchantv1.Item]) *itemExchange {
	box.rewind()
	return &itemExchange{outbox: box}
}

func (x *itemExchange) request() *penchantv1.UpsertItemsRequest {
	items := x.outbox.take()
	x.sizes = append(x.sizes, len(items))
	return &penchantv1.UpsertItemsRequest{Items: items}
}

func (x *itemExchange) answers(response *penchantv1.UpsertItemsResponse) ([]UpsertResult, error) {
	if response.GetAccepted() == 0 && len(response.GetRefused()) == 0 {
		return nil, nil // no request is without items
	}
	if len(x.sizes) == 0 {
		return nil, internal("the service answered more requests than were sent")
	}
	first := x.outbox.settled
	if _, err := x.outbox.settle(x.sizes[0]); err != nil {
		return nil, err
	}
	x.sizes = x.sizes[1:]
	return []UpsertResult{{
		Accepted: int(response.GetAccepted()),
		Refused: each(response.GetRefused(), func(one *penchantv1.RefusedItem) Refused {
			return Refused{
				Index:  int(first) + int(one.GetIndex()),
				ItemID: one.GetItemId(),
				Err:    errorOfStatus(one.GetError()),
			}
		}),
	}}, nil
}
