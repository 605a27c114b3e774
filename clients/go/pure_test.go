package penchant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	penchantv1 "penchant.dev/go/penchant/v1"
)

func TestDelaysDoubleUpToALimitAndBeginAnewAfterSuccess(t *testing.T) {
	longest := &backoff{draw: func() float64 { return 0 }}
	var delays []time.Duration
	for range 9 {
		delays = append(delays, longest.next())
	}
	ms := time.Millisecond
	want := []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}
	if !slices.Equal(delays, want) {
		t.Fatalf("got %v, want %v", delays, want)
	}
	longest.failures = 1 << 40
	same(t, "after an age", longest.next(), 5*time.Second)
	longest.succeeded()
	same(t, "after success", longest.next(), 50*ms)
	halved := &backoff{draw: func() float64 { return 1 }}
	same(t, "the shortest", halved.next(), 25*ms)
}

func TestTheServiceConfigIsTheOneOfAllClients(t *testing.T) {
	shared, err := os.ReadFile("../service_config.json")
	if os.IsNotExist(err) {
		t.Skip("outside the repository")
	}
	if !bytes.Equal(shared, sharedServiceConfig) {
		t.Fatal("service_config.json differs from clients/service_config.json: copy it anew")
	}
}

func TestTheServiceConfigCountsAttempts(t *testing.T) {
	for retries := 1; retries <= maxRetries; retries++ {
		text, err := serviceConfig(retries)
		if err != nil {
			t.Fatal(err)
		}
		if want := `"maxAttempts":` + strconv.Itoa(retries+1); !strings.Contains(text, want) {
			t.Fatalf("%d retries: no %s in %s", retries, want, text)
		}
	}
	none, err := serviceConfig(0)
	if err != nil || strings.Contains(none, "retryPolicy") || !strings.Contains(none, "round_robin") || !json.Valid([]byte(none)) {
		t.Fatalf("no retries: %s, %v", none, err)
	}
	for _, retries := range []int{-1, maxRetries + 1} {
		if _, err := serviceConfig(retries); !errors.Is(err, ErrInvalidArgument) {
			t.Fatalf("%d retries: %v", retries, err)
		}
	}
}

func TestTheOldestTokensGo(t *testing.T) {
	known := newTokens(2)
	known.remember("ann", "1")
	known.remember("bob", "2")
	known.remember("ann", "3")
	known.remember("eve", "4")
	known.remember("eve", "") // no proof of anything
	for user, want := range map[string]string{"ann": "3", "bob": "", "eve": "4"} {
		same(t, user, known.of(user), want)
	}
	var none *tokens
	none.remember("ann", "1")
	same(t, "without tokens", none.of("ann"), "")
}

func event(id string) *penchantv1.Event { return &penchantv1.Event{EventId: id, UserId: "ann"} }

func boxed(batch int, ids ...string) *outbox[*penchantv1.Event] {
	box := &outbox[*penchantv1.Event]{batch: batch, window: 10}
	for _, id := range ids {
		box.put(event(id))
	}
	return box
}

func idsOf(events []*penchantv1.Event) string {
	ids := make([]string, 0, len(events))
	for _, one := range events {
		ids = append(ids, one.GetEventId())
	}
	return strings.Join(ids, " ")
}

func TestWhatIsInFlightWaitsAgainAfterABreak(t *testing.T) {
	box := boxed(2, "a", "b", "c", "d", "e")
	same(t, "first", idsOf(box.take()), "a b")
	same(t, "second", idsOf(box.take()), "c d")
	answered, err := box.settle(3)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "answered", idsOf(answered), "a b c")
	box.rewind()
	same(t, "again", idsOf(box.take()), "d e")
	same(t, "waiting", box.waiting(), false)
	same(t, "rest", idsOf(box.rest()), "d e")
	if _, err := box.settle(3); !errors.Is(err, ErrInternal) {
		t.Fatalf("more answers than were sent: %v", err)
	}
	same(t, "settled", box.settled, uint64(3))
}

func TestARequestThatIsNotFullWaitsWhileManyAreUnanswered(t *testing.T) {
	box := boxed(3) // three full requests have room in the window
	same(t, "nothing waits", box.due(), false)
	for _, one := range []struct {
		id   string
		sent string
	}{{"a", "a"}, {"b", "b"}, {"c", "c"}, {"d", ""}, {"e", ""}, {"f", "d e f"}, {"g", ""}} {
		box.put(event(one.id))
		sent := ""
		if box.due() {
			sent = idsOf(box.take())
		}
		same(t, "after "+one.id, sent, one.sent)
	}
	for at, due := range []bool{false, true} {
		if _, err := box.settle(1); err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("due after answer ", at), box.due(), due)
	}
	same(t, "at last", idsOf(box.take()), "g")
	box.put(event("h"))
	same(t, "three again", box.due(), false)
	if _, err := box.settle(3); err != nil { // one request and a part of the next
		t.Fatal(err)
	}
	same(t, "two are left", box.due(), true)
	box.rewind()
	same(t, "after a break", box.due(), true)
	same(t, "all of it", idsOf(box.take()), "f g h")
}

func TestARequestIsClosedBeforeItGrowsTooLarge(t *testing.T) {
	box := &outbox[*penchantv1.Event]{batch: 100}
	large := strings.Repeat("x", requestBytes/2-100)
	for _, text := range []string{large, large, large, strings.Repeat(large, 3), ""} {
		box.put(&penchantv1.Event{Text: text})
	}
	for _, want := range []int{2, 1, 1, 1, 0} {
		same(t, "events in a request", len(box.take()), want)
	}
}

func TestEventsAreAnsweredInOrderAcrossConnections(t *testing.T) {
	box, known := boxed(2, "a", "b", "c"), newTokens(10)
	first := newEventExchange(box, known)
	first.request()
	first.request()
	answers, err := first.answers(&penchantv1.RecordEventsResponse{
		FreshnessToken: "f1", Acknowledgements: []*penchantv1.Acknowledgement{{Ordinal: 0, EventId: "a"}},
	})
	if err != nil || len(answers) != 1 {
		t.Fatal(answers, err)
	}
	same(t, "token", known.of("ann"), "f1")
	second := newEventExchange(box, known)
	same(t, "again", idsOf(second.request().GetEvents()), "b c")
	answers, err = second.answers(&penchantv1.RecordEventsResponse{
		Acknowledgements: []*penchantv1.Acknowledgement{{Ordinal: 0, EventId: "b", Unchanged: true}, {Ordinal: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ordinal", answers[0].Ordinal, uint64(1))
	same(t, "unchanged", answers[0].Unchanged, true)
	same(t, "the last", answers[1].Ordinal, uint64(2))
}

func TestASkippedEventBreaksTheContract(t *testing.T) {
	box := boxed(2, "a", "b")
	said := newEventExchange(box, nil)
	said.request()
	answers, err := said.answers(&penchantv1.RecordEventsResponse{
		Acknowledgements: []*penchantv1.Acknowledgement{{Ordinal: 0}, {Ordinal: 2}},
	})
	if !errors.Is(err, ErrInternal) || len(answers) != 1 {
		t.Fatal(answers, err)
	}
	if _, err := newItemExchange(&outbox[*penchantv1.Item]{batch: 1}).answers(
		&penchantv1.UpsertItemsResponse{Accepted: 1}); !errors.Is(err, ErrInternal) {
		t.Fatal(err)
	}
}

func TestTextThatIsNotUTF8IsRefusedByName(t *testing.T) {
	bad := "\xff"
	_, ofEvent := encodeEvent(Event{UserID: "ann", Text: bad})
	_, ofItem := encodeItem(Item{ID: "a", Attributes: map[string]string{"brand": bad}})
	_, ofCategory := encodeItem(Item{ID: "a", Categories: []string{bad}})
	for want, err := range map[string]error{
		"event.text": ofEvent, "item.attributes": ofItem, "item.categories": ofCategory,
	} {
		var refused *Error
		if !errors.As(err, &refused) || refused.Kind != ErrInvalidArgument || refused.Field != want {
			t.Fatalf("%s: %v", want, err)
		}
	}
}

func TestAnEventThatNoRequestHasRoomForIsRefused(t *testing.T) {
	frame := proto.Size(&penchantv1.Event{EventId: "e", Text: strings.Repeat("x", requestBytes-100)}) - (requestBytes - 100)
	largest := strings.Repeat("x", requestBytes-frame)
	if _, err := encodeEvent(Event{ID: "e", Text: largest}); err != nil {
		t.Fatal(err)
	}
	_, err := encodeEvent(Event{ID: "e", Text: largest + "x"})
	var refused *Error
	if !errors.As(err, &refused) || refused.Kind != ErrInvalidArgument || refused.Field != "event" {
		t.Fatal(err)
	}
}

func TestAnEventComesBackAsItWasGiven(t *testing.T) {
	given := Event{
		ID: "e", UserID: "ann", Type: "rate", ItemID: "a", Text: "t", Value: new(4.5),
		OccurredAt: time.UnixMilli(1_700_000_000_123).UTC(), Surface: "home", AttributionToken: "x",
	}
	message, err := encodeEvent(given)
	if err != nil {
		t.Fatal(err)
	}
	*given.Value = 1 // the caller's variable is his own again
	back := decodeEvent(message)
	same(t, "value", *back.Value, 4.5)
	back.Value, given.Value = nil, nil
	same(t, "event", back, given)
	unnamed, _ := encodeEvent(Event{})
	other, _ := encodeEvent(Event{})
	if unnamed.GetEventId() == "" || unnamed.GetEventId() == other.GetEventId() || unnamed.OccurredAt != nil {
		t.Fatalf("%v, %v", unnamed, other)
	}
}

func TestAPageSizeThatNoMessageCarriesIsLeftToTheService(t *testing.T) {
	for given, sent := range map[int]uint32{0: 0, 7: 7, 101: 101, -1: 1<<32 - 1, 1 << 40: 1<<32 - 1} {
		same(t, strconv.Itoa(given), encodeOptions(ListOptions{PageSize: given}).GetPageSize(), sent)
	}
}
