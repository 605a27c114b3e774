package penchant

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// updated is an update of a list: its order, and items with a score that tells in which update they came.
func updated(sequence uint64, order string, detailed string) *penchantv1.RecommendationUpdate {
	message := &penchantv1.RecommendationUpdate{
		StreamSequence: sequence, Order: strings.Fields(order), ResumeToken: "r",
	}
	for _, itemID := range strings.Fields(detailed) {
		message.Recommendations = append(message.Recommendations,
			&penchantv1.Recommendation{ItemId: itemID, Score: float64(sequence)})
	}
	return message
}

func followed(t *testing.T, messages ...*penchantv1.RecommendationUpdate) (*following, *Update) {
	t.Helper()
	f := newFollowing(&penchantv1.StreamStart{UserId: "ann", MinFreshness: "f1"})
	var last *Update
	for _, message := range messages {
		update, err := f.accept(message)
		if err != nil {
			t.Fatal(err)
		}
		last = update
	}
	return f, last
}

func listed(update *Update) string {
	names := make([]string, 0, len(update.Recommendations))
	for _, one := range update.Recommendations {
		names = append(names, one.ItemID)
	}
	return strings.Join(names, " ")
}

func TestDifferencesAreApplied(t *testing.T) {
	f, update := followed(t, updated(1, "a b c", "a b c"), updated(2, "c d a", "d c"))
	same(t, "list", listed(update), "c d a")
	same(t, "changed since", update.Recommendations[0].Score, 2.0)
	same(t, "kept", update.Recommendations[2].Score, 1.0)
	same(t, "changed", update.Changed, true)
	unmoved, err := f.accept(updated(3, "c d a", ""))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "changed", unmoved.Changed, false)
	// b left with update 2, so its details are gone.
	if _, err := f.accept(updated(4, "b", "")); !errors.Is(err, ErrInternal) {
		t.Fatalf("an item without details: %v", err)
	}
}

func TestARepetitionIsPassedOverButItsTokenCounts(t *testing.T) {
	f, _ := followed(t, updated(1, "a", "a"), updated(2, "a", ""))
	repeated := updated(2, "b", "b")
	repeated.ResumeToken, repeated.GoingAway = "newer", true
	update, err := f.accept(repeated)
	if update != nil || err != nil {
		t.Fatal(update, err)
	}
	same(t, "going away", f.goingAway, true)
	same(t, "token", f.opening().GetResumeToken(), "newer")
	same(t, "going away after the next opening", f.goingAway, false)
}

func TestTheNextConnectionKnowsWhatWasSaid(t *testing.T) {
	f, _ := followed(t, updated(1, "a b", "a b"))
	same(t, "resumable", f.resumable(), true)
	if _, err := f.shown(2, 0); err != nil {
		t.Fatal(err)
	}
	same(t, "opening", f.opening(), &penchantv1.StreamStart{UserId: "ann", ResumeToken: "r", ShownPositions: 2})
	options := &penchantv1.ListOptions{PageSize: 3}
	f.change(options)
	same(t, "after a change", f.opening(), &penchantv1.StreamStart{UserId: "ann", ResumeToken: "r", Options: options})
	if _, err := f.shown(1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.accept(updated(2, "a b", "")); err != nil {
		t.Fatal(err)
	}
	same(t, "after an update", f.opening().GetShownPositions(), uint32(0))
}

func TestUpdatesThatWaitedBecomeOne(t *testing.T) {
	f, _ := followed(t, updated(1, "a b c", "a b c"))
	second, third, fourth := updated(2, "a b d", "d"), updated(3, "d b e", "e b"), updated(4, "e d c", "c")
	second.Trigger = &penchantv1.Trigger{EventId: "e2"}
	third.GoingAway, third.ResumeToken = true, "r3"
	fourth.ResumeToken = "r4"
	waiting := merged(merged(second, third), fourth)
	repeated := updated(3, "a", "a")
	repeated.ResumeToken, repeated.GoingAway = "r5", true
	given, err := f.accept(merged(waiting, repeated))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "list", listed(given), "e d c")
	for at, score := range []float64{3, 2, 4} {
		same(t, "details of update", given.Recommendations[at].Score, score)
	}
	same(t, "sequence", given.Sequence, uint64(4))
	same(t, "trigger", given.Trigger.EventID, "e2")
	same(t, "token", f.opening().GetResumeToken(), "r5")
}

func TestChangedComparesWithTheListGivenBefore(t *testing.T) {
	f, _ := followed(t, updated(1, "a b", "a b"))
	given, err := f.accept(merged(updated(2, "b a", ""), updated(3, "a b", "")))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "there and back", given.Changed, false)
}

func TestWhatWaitsIsNoLongerThanAList(t *testing.T) {
	waiting := updated(1, "a b c", "a b c")
	for sequence := range uint64(1_000) {
		fresh := fmt.Sprint("x", sequence)
		waiting = merged(waiting, updated(sequence+2, "a b "+fresh, fresh))
	}
	same(t, "details", len(waiting.GetRecommendations()), 3)
}

func TestOnlyWhatWasReceivedCanBeShown(t *testing.T) {
	f, _ := followed(t)
	for _, step := range []struct {
		update    *penchantv1.RecommendationUpdate
		positions int
		sequence  uint64
		field     string
	}{
		{nil, 0, 0, "sequence"},
		{updated(1, "a b", "a b"), 3, 1, "positions"},
		{nil, -1, 1, "positions"},
		{nil, 1, 2, "sequence"},
		{updated(2, "a", ""), 100, 1, ""}, // how long older updates were is not kept
		{nil, 101, 1, "positions"},
	} {
		if step.update != nil {
			if _, err := f.accept(step.update); err != nil {
				t.Fatal(err)
			}
		}
		message, err := f.shown(step.positions, step.sequence)
		var refused *Error
		if step.field == "" && err == nil {
			same(t, "positions", message.GetShown().GetPositions(), uint32(step.positions))
		} else if !errors.As(err, &refused) || refused.Field != step.field {
			t.Fatalf("%+v: %v", step, err)
		}
	}
}
