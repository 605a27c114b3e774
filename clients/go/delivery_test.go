package penchant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	penchantv1 "penchant.dev/go/penchant/v1"
)

func numbered(count int) []Event {
	events := make([]Event, count)
	for at := range events {
		events[at] = Event{ID: fmt.Sprint("e", at), UserID: "ann", Type: "view", ItemID: "a"}
	}
	return events
}

// ledger acknowledges events, and breaks the stream where breaks says.
type ledger struct {
	mu    sync.Mutex     // of those below: several recorders may share it
	known map[string]int // how often an event came
	sizes []int          // of the requests
	calls int
	// breaks is asked before the answer to each request; its error ends the call without one.
	breaks func(call, request int) error
}

func (l *ledger) recordEvents(call eventCall) error {
	l.mu.Lock()
	l.calls++
	calls := l.calls
	l.mu.Unlock()
	ordinal := uint64(0)
	for number := 0; ; number++ {
		request, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.sizes = append(l.sizes, len(request.GetEvents()))
		response := &penchantv1.RecordEventsResponse{FreshnessToken: fmt.Sprint("f", len(l.sizes))}
		for _, one := range request.GetEvents() {
			told := &penchantv1.Acknowledgement{Ordinal: ordinal, EventId: one.GetEventId()}
			if one.GetItemId() == "nobody" {
				refused, _ := status.FromError(failure(codes.NotFound, "UNKNOWN_ITEM", "event.item_id"))
				told.Error = refused.Proto()
			} else {
				told.Unchanged = l.known[one.GetEventId()] > 0
				l.known[one.GetEventId()]++
			}
			response.Acknowledgements = append(response.Acknowledgements, told)
			ordinal++
		}
		l.mu.Unlock()
		if l.breaks != nil {
			if err := l.breaks(calls, number); errors.Is(err, io.EOF) {
				return nil // as if all was well
			} else if err != nil {
				return err
			}
		}
		if err := call.Send(response); err != nil {
			return err
		}
	}
}

func newLedger(breaks func(call, request int) error) *ledger {
	return &ledger{known: make(map[string]int), breaks: breaks}
}

func TestManyEventsAreAnsweredInOrder(t *testing.T) {
	book := newLedger(nil)
	client := serve(t, &fake{recordEvents: book.recordEvents}, WithReadYourWrites())
	events := numbered(250)
	events[100].ItemID = "nobody"
	next := uint64(0)
	for answer, err := range client.RecordMany(t.Context(), slices.Values(events), WithBatch(20), WithWindow(60)) {
		if err != nil {
			t.Fatal(err)
		}
		same(t, "ordinal", answer.Ordinal, next)
		same(t, "refused", answer.Err != nil, next == 100)
		if answer.Err != nil {
			same(t, "reason", answer.Err.Reason, "UNKNOWN_ITEM")
		}
		next++
	}
	same(t, "answers", next, uint64(250))
	same(t, "largest request", slices.Max(book.sizes) <= 20, true)
	same(t, "token", client.tokens.of("ann"), fmt.Sprint("f", len(book.sizes)))
}

func TestNothingIsLostOrDoubledWhereTheStreamBreaks(t *testing.T) {
	for name, end := range map[string]error{"unavailable": gone, "ended early": io.EOF} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Each of the first calls takes two requests and answers one.
				book := newLedger(func(call, request int) error {
					if request == 1 && call <= 5 {
						return end
					}
					return nil
				})
				client := serve(t, &fake{recordEvents: book.recordEvents}, WithRetries(0))
				var told []Acknowledged
				began := time.Now()
				recorder, err := client.Recorder(func(one Acknowledged) { told = append(told, one) }, WithBatch(3))
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range numbered(40) {
					if err := recorder.Put(t.Context(), one); err != nil {
						t.Fatal(err)
					}
				}
				if err := recorder.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				same(t, "answers", len(told), 40)
				for at, one := range told {
					same(t, "ordinal", one.Ordinal, uint64(at))
					same(t, "event", one.EventID, fmt.Sprint("e", at))
				}
				same(t, "events", len(book.known), 40)
				same(t, "calls", book.calls, 6)
				same(t, "each pause is a first one", time.Since(began) <= 5*firstDelay, true)
				if err := recorder.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestPutWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		book := newLedger(func(int, int) error { <-answer; return nil })
		client := serve(t, &fake{recordEvents: book.recordEvents})
		recorder, err := client.Recorder(nil, WithBatch(1), WithWindow(2))
		if err != nil {
			t.Fatal(err)
		}
		put := 0
		go func() {
			for _, one := range numbered(3) {
				if recorder.Put(t.Context(), one) == nil {
					put++
				}
			}
		}()
		synctest.Wait()
		same(t, "put without an answer", put, 2)
		answer <- struct{}{}
		synctest.Wait()
		same(t, "put after an answer", put, 3)
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := recorder.Put(late, numbered(1)[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		close(answer)
		if err := recorder.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := recorder.Put(t.Context(), numbered(1)[0]); !errors.Is(err, ErrFailedPrecondition) {
			t.Fatal(err)
		}
	})
}

func TestEventsPutFasterThanTheyAreAnsweredFillRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		book := newLedger(func(int, int) error { <-answer; return nil })
		client := serve(t, &fake{recordEvents: book.recordEvents})
		recorder, err := client.Recorder(nil, WithBatch(10), WithWindow(30))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range numbered(15) {
			put(t, recorder, one)
			synctest.Wait() // until it was sent, or will wait
		}
		close(answer)
		if err := recorder.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "requests", fmt.Sprint(book.sizes), "[1 1 1 10 2]")
	})
}

func TestFlushWaitsUntilTheAnswersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := serve(t, &fake{recordEvents: newLedger(nil).recordEvents})
		told := make(chan struct{})
		recorder, err := client.Recorder(func(Acknowledged) { <-told })
		if err != nil {
			t.Fatal(err)
		}
		if err := recorder.Put(t.Context(), numbered(1)[0]); err != nil {
			t.Fatal(err)
		}
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := recorder.Flush(late); !errors.Is(err, ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		close(told)
		if err := errors.Join(recorder.Flush(t.Context()), recorder.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}

func TestItGivesUpWhereNobodyWasEverHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLedger(func(int, int) error { return gone })
		client := serve(t, &fake{recordEvents: book.recordEvents}, WithRetries(2))
		recorder, err := client.Recorder(nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		same(t, "calls without events", book.calls, 0)
		if err := recorder.Put(t.Context(), numbered(1)[0]); err != nil {
			t.Fatal(err)
		}
		if err := recorder.Flush(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		same(t, "calls", book.calls, 3)
		var left *UnansweredError
		for range 2 {
			if err := recorder.Close(t.Context()); !errors.As(err, &left) || !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			same(t, "unanswered", left.Events[0], numbered(1)[0])
		}
	})
}

func TestItLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &fake{recordEvents: func(call eventCall) error { <-call.Context().Done(); return nil }}
		client := serve(t, silent)
		began := time.Now()
		for _, err := range client.RecordMany(t.Context(), slices.Values(numbered(1)), WithPatience(3*time.Second)) {
			if !errors.Is(err, ErrDeadlineExceeded) || !strings.Contains(err.Error(), "1 elements") {
				t.Fatal(err)
			}
		}
		same(t, "patience", time.Since(began), 3*time.Second)
	})
}

func TestIdleTimeCostsNoPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLedger(nil)
		client := serve(t, &fake{recordEvents: book.recordEvents})
		recorder, err := client.Recorder(nil, WithPatience(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range numbered(3) {
			time.Sleep(time.Hour)
			if err := errors.Join(recorder.Put(t.Context(), one), recorder.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if err := recorder.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "calls", book.calls, 1)
	})
}

func TestCloseReportsWhatItCouldNotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &fake{recordEvents: func(call eventCall) error { <-call.Context().Done(); return nil }}
		client := serve(t, silent)
		recorder, err := client.Recorder(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range numbered(5) {
			if err := recorder.Put(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *UnansweredError
		if err := recorder.Close(ctx); !errors.As(err, &left) || !errors.Is(err, ErrCancelled) {
			t.Fatal(err)
		}
		same(t, "unanswered", len(left.Events), 5)
	})
}

func TestAnotherErrorEndsTheSending(t *testing.T) {
	book := newLedger(func(call, request int) error {
		if request == 1 {
			return failure(codes.PermissionDenied, "A_REASON", "")
		}
		return nil
	})
	client := serve(t, &fake{recordEvents: book.recordEvents})
	answers := 0
	var last error
	for _, err := range client.RecordMany(t.Context(), slices.Values(numbered(10)), WithBatch(1), WithWindow(1)) {
		if err != nil {
			last = err
		} else {
			answers++
		}
	}
	same(t, "answers before", answers, 1)
	if !errors.Is(last, ErrPermissionDenied) {
		t.Fatal(last)
	}
	same(t, "calls", book.calls, 1)
}

func TestLeavingTheLoopEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, began := make(chan struct{}), time.Now()
		book := newLedger(nil)
		client := serve(t, &fake{recordEvents: func(call eventCall) error {
			defer close(ended)
			return book.recordEvents(call)
		}})
		for range client.RecordMany(t.Context(), slices.Values(numbered(5_000)), WithBatch(1)) {
			break
		}
		<-ended
		same(t, "at once", time.Since(began), time.Duration(0))
	})
}

func TestItemsAreUpsertedAndRefusedByPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := serve(t, &fake{upsertItems: func(call itemCall) error {
			calls++
			for {
				request, err := call.Recv()
				if err != nil {
					return nil
				}
				if calls == 2 {
					return gone
				}
				response := &penchantv1.UpsertItemsResponse{}
				for index, one := range request.GetItems() {
					if one.GetTitle() != "" {
						response.Accepted++
						continue
					}
					refused, _ := status.FromError(failure(codes.InvalidArgument, "INVALID_FIELD", "item.title"))
					response.Refused = append(response.Refused,
						&penchantv1.RefusedItem{Index: uint32(index), ItemId: one.GetItemId(), Error: refused.Proto()})
				}
				if err := call.Send(response); err != nil {
					return err
				}
				if calls == 1 {
					return gone
				}
			}
		}})
		items := make([]Item, 25)
		for at := range items {
			items[at] = Item{ID: fmt.Sprint("i", at), Title: "t"}
		}
		items[7].Title = ""
		result, err := client.UpsertItems(t.Context(), items, WithBatch(2))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "accepted", result.Accepted, 24)
		same(t, "refused", len(result.Refused), 1)
		same(t, "index", result.Refused[0].Index, 7)
		same(t, "field", result.Refused[0].Err.Field, "item.title")
		same(t, "calls", calls, 3)
	})
}

func TestSizesOutsideTheContractAreRefused(t *testing.T) {
	client := serve(t, &fake{})
	for field, option := range map[string]SendOption{
		"batch": WithBatch(1_001), "window": WithWindow(99), "patience": WithPatience(0),
	} {
		_, err := client.Recorder(nil, option)
		var refused *Error
		if !errors.As(err, &refused) || refused.Field != field {
			t.Fatalf("%s: %v", field, err)
		}
	}
}
