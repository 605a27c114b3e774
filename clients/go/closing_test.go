package penchant

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func put(t *testing.T, recorder *Recorder, events ...Event) {
	t.Helper()
	for _, one := range events {
		if err := recorder.Put(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
}

func opened(t *testing.T, client *Client, acknowledged func(Acknowledged)) *Recorder {
	t.Helper()
	recorder, err := client.Recorder(acknowledged)
	if err != nil {
		t.Fatal(err)
	}
	return recorder
}

func TestClosingTheClientClosesItsRecorders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLedger(func(int, int) error { time.Sleep(time.Second); return nil })
		client := serve(t, &fake{recordEvents: book.recordEvents})
		told := make(chan Acknowledged, 40)
		one, other := opened(t, client, func(answer Acknowledged) { told <- answer }), opened(t, client, nil)
		put(t, one, numbered(40)...)
		put(t, other, Event{UserID: "bob", ID: "other"})
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		same(t, "answers", len(told), 40)
		same(t, "events", len(book.known), 41)
		if err := one.Put(t.Context(), Event{UserID: "ann"}); !errors.Is(err, ErrFailedPrecondition) {
			t.Fatal(err)
		}
		if _, err := client.Recorder(nil); !errors.Is(err, ErrCancelled) {
			t.Fatal(err)
		}
	})
}

func TestClosingTheClientFailsWithTheNumberOfEventsThatAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &fake{recordEvents: func(call eventCall) error { <-call.Context().Done(); return nil }}
		client := serve(t, silent, WithTimeout(2*time.Second))
		put(t, opened(t, client, nil), numbered(2)...)
		opened(t, client, nil) // has none
		told := opened(t, client, nil)
		put(t, told, numbered(1)...)
		told.delivery.abandon(errAbandoned)
		if err := told.Close(t.Context()); err == nil {
			t.Fatal("an event vanished")
		}
		last := opened(t, client, nil)
		put(t, last, numbered(3)...)
		began := time.Now()
		closing := make(chan error, 2)
		go func() { closing <- client.Close() }()
		synctest.Wait()
		if err := last.Put(t.Context(), Event{UserID: "late"}); !errors.Is(err, ErrFailedPrecondition) {
			t.Fatal("put while the client closes:", err)
		}
		for range 2 {
			var left *UnansweredError
			err := <-closing
			closing <- client.Close() // says it again
			if !errors.As(err, &left) || !errors.Is(err, ErrDeadlineExceeded) || !strings.Contains(err.Error(), "5 events") {
				t.Fatal(err)
			}
			same(t, "events", len(left.Events), 5)
			same(t, "the first", left.Events[0], numbered(1)[0])
		}
		same(t, "all together have the client's timeout", time.Since(began), 2*time.Second)
	})
}

func TestClosingTheClientTellsOfARecorderThatGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := serve(t, &fake{recordEvents: newLedger(func(int, int) error { return gone }).recordEvents}, WithRetries(0))
		recorder := opened(t, client, nil)
		put(t, recorder, numbered(1)...)
		if err := recorder.Flush(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		err := client.Close()
		if !errors.Is(err, ErrDeadlineExceeded) || !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "1 events") {
			t.Fatal(err)
		}
	})
}
