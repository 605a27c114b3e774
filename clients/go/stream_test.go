package penchant

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// tell sends an update on a stream in both directions.
func tell(call steeredCall, update *penchantv1.RecommendationUpdate) error {
	return call.Send(&penchantv1.StreamRecommendationsResponse{Update: update})
}

func show(call watchCall, update *penchantv1.RecommendationUpdate) error {
	return call.Send(&penchantv1.WatchRecommendationsResponse{Update: update})
}

func TestAStreamGoesOnWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var openings []*penchantv1.StreamStart
		client := serve(t, &fake{stream: func(call steeredCall) error {
			request, err := call.Recv()
			if err != nil {
				return err
			}
			openings = append(openings, request.GetOpen())
			switch len(openings) {
			case 1:
				if err := tell(call, updated(1, "a b", "a b")); err != nil {
					return err
				}
				if _, err := call.Recv(); err != nil { // shown
					return err
				}
				return gone
			case 2:
				return errors.Join(tell(call, updated(1, "b a", "a b")), tell(call, updated(2, "b c", "b c")), func() error {
					_, err := call.Recv() // change
					return err
				}(), gone)
			case 3:
				last := updated(5, "c b", "")
				last.GoingAway, last.ResumeToken = true, "later"
				err := tell(call, updated(4, "c b", "c b"))
				synctest.Wait() // until it was given
				return errors.Join(err, tell(call, last))
			default:
				return errors.Join(tell(call, updated(5, "c b", "c b")), tell(call, updated(6, "c", "c")))
			}
		}}, WithRetries(0))
		stream := client.Stream(t.Context(), "ann", ListOptions{PageSize: 2}, MinFreshness("f1"))
		defer stream.Close()
		var sequences []uint64
		for update, err := range stream.Updates() {
			if err != nil {
				t.Fatal(err)
			}
			sequences = append(sequences, update.Sequence)
			switch update.Sequence {
			case 1:
				err = stream.Shown(1, 0)
			case 2:
				err = stream.Change(ListOptions{PageSize: 7})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		same(t, "sequences", fmt.Sprint(sequences), "[1 2 4 5 6]")
		same(t, "connections", len(openings), 4)
		two, seven := encodeOptions(ListOptions{PageSize: 2}), encodeOptions(ListOptions{PageSize: 7})
		for at, want := range []*penchantv1.StreamStart{
			{UserId: "ann", Options: two, MinFreshness: "f1"},
			{UserId: "ann", Options: two, ResumeToken: "r", ShownPositions: 1},
			{UserId: "ann", Options: seven, ResumeToken: "r"},
			{UserId: "ann", Options: seven, ResumeToken: "later"},
		} {
			same(t, fmt.Sprint("opening ", at), openings[at], want)
		}
	})
}

func TestBeforeTheFirstUpdateItIsTriedAsOftenAsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := serve(t, &fake{watch: func(_ *penchantv1.StreamStart, call watchCall) error { calls++; return gone }},
			WithRetries(2))
		errs := 0
		for update, err := range client.Watch(t.Context(), "ann", ListOptions{}) {
			if update != nil || !errors.Is(err, ErrUnavailable) {
				t.Fatal(update, err)
			}
			errs++
		}
		same(t, "errors", errs, 1)
		same(t, "calls", calls, 3)
	})
}

func TestOtherErrorsEndTheSequence(t *testing.T) {
	client := serve(t, &fake{watch: func(_ *penchantv1.StreamStart, call watchCall) error {
		if err := show(call, updated(1, "a", "a")); err != nil {
			return err
		}
		return failure(codes.FailedPrecondition, "TOKEN_MISMATCH", "")
	}})
	var last error
	updates := 0
	for _, err := range client.Watch(t.Context(), "ann", ListOptions{}) {
		if last = err; err == nil {
			updates++
		}
	}
	same(t, "updates", updates, 1)
	var told *Error
	if !errors.As(last, &told) || told.Reason != "TOKEN_MISMATCH" {
		t.Fatal(last)
	}
}

func TestTheFirstUpdateHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		speak := make(chan struct{})
		client := serve(t, &fake{watch: func(_ *penchantv1.StreamStart, call watchCall) error {
			select {
			case <-speak:
			case <-call.Context().Done():
				return nil
			}
			if err := show(call, updated(1, "a", "a")); err != nil {
				return err
			}
			<-call.Context().Done()
			return nil
		}}, WithTimeout(2*time.Second))
		began := time.Now()
		for _, err := range client.Watch(t.Context(), "ann", ListOptions{}) {
			if !errors.Is(err, ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
		same(t, "deadline", time.Since(began), 2*time.Second)

		// After the first update it waits for as long as the context allows.
		close(speak)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began = time.Now()
		updates := 0
		for _, err := range client.Watch(ctx, "ann", ListOptions{}) {
			if err == nil {
				updates++
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		same(t, "updates", updates, 1)
		same(t, "end", time.Since(began), time.Hour)
	})
}

func TestCloseEndsTheSequenceWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := serve(t, &fake{stream: func(call steeredCall) error {
			if err := tell(call, updated(1, "a", "a")); err != nil {
				return err
			}
			<-call.Context().Done()
			return nil
		}})
		stream := client.Stream(t.Context(), "ann", ListOptions{})
		for _, err := range stream.Updates() {
			if err != nil {
				t.Fatal(err)
			}
			go stream.Close()
		}
	})
}

func TestTheCallersContextEndsAWaitBetweenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := serve(t, &fake{watch: func(_ *penchantv1.StreamStart, call watchCall) error {
			if calls++; calls == 1 {
				if err := show(call, updated(1, "a", "a")); err != nil {
					return err
				}
			}
			return gone
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var last error
		for _, last = range client.Watch(ctx, "ann", ListOptions{}) {
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Fatal(last)
		}
		synctest.Wait()
		// 50 ms doubling to 5 s, each shortened by up to a half: 12 and a little more in a minute, or twice as many.
		same(t, "calls within reason", calls > 12 && calls < 40, true)
	})
}

func TestTheCallersReasonIsWithinReach(t *testing.T) {
	client := serve(t, &fake{watch: func(_ *penchantv1.StreamStart, call watchCall) error {
		if err := show(call, updated(1, "a", "a")); err != nil {
			return err
		}
		<-call.Context().Done()
		return nil
	}})
	reason := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	updates := client.Watch(ctx, "ann", ListOptions{})
	var last error
	for _, last = range updates {
		cancel(reason)
	}
	if !errors.Is(last, reason) || !errors.Is(last, ErrCancelled) {
		t.Fatal(last)
	}
	leaving, leave := context.WithCancel(t.Context())
	defer leave()
	for range client.Watch(leaving, "ann", ListOptions{}) {
		leave()
		break // no error is told to one who left
	}
}

func TestRangingAgainGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tokens []string
		client := serve(t, &fake{watch: func(open *penchantv1.StreamStart, call watchCall) error {
			tokens = append(tokens, open.GetResumeToken())
			first := len(tokens) == 1
			err := show(call, updated(1, "a", "a"))
			if first {
				<-call.Context().Done()
				return err
			}
			time.Sleep(time.Hour) // the deadline of a first update is behind it
			return errors.Join(err, show(call, updated(2, "a", "a")))
		}})
		updates := client.Watch(t.Context(), "ann", ListOptions{})
		var sequences []uint64
		for update := range updates {
			sequences = append(sequences, update.Sequence)
			break
		}
		for update, err := range updates {
			if err != nil {
				t.Fatal(err)
			}
			sequences = append(sequences, update.Sequence)
		}
		synctest.Wait()
		same(t, "sequences", fmt.Sprint(sequences), "[1 2]")
		same(t, "tokens", fmt.Sprintf("%q", tokens), `["" "r"]`)
	})
}

// fed is a service whose updates a test writes, and what it was told.
type fed struct {
	updates chan *penchantv1.RecommendationUpdate
	said    []*penchantv1.StreamRecommendationsRequest_Shown
}

func (s *fed) stream(call steeredCall) error {
	if _, err := call.Recv(); err != nil {
		return err
	}
	go func() {
		for {
			request, err := call.Recv()
			if err != nil {
				return
			}
			s.said = append(s.said, request.GetShown())
		}
	}()
	for {
		select {
		case update := <-s.updates:
			if update == nil {
				return gone
			}
			if err := tell(call, update); err != nil {
				return err
			}
		case <-call.Context().Done():
			return nil
		}
	}
}

// tell returns when the updates have come to the client.
func (s *fed) tell(updates ...*penchantv1.RecommendationUpdate) {
	for _, one := range updates {
		s.updates <- one
	}
	synctest.Wait()
}

func (s *fed) told() string {
	told := make([]string, 0, len(s.said))
	for _, one := range s.said {
		told = append(told, fmt.Sprint(one.GetPositions(), " of ", one.GetStreamSequence()))
	}
	return strings.Join(told, ", ")
}

func TestASlowReaderIsGivenTheNewestListAndMaySayWhatItShowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &fed{updates: make(chan *penchantv1.RecommendationUpdate, 1)}
		client := serve(t, &fake{stream: service.stream})
		service.updates <- updated(1, "a b c", "a b c")
		stream := client.Stream(t.Context(), "ann", ListOptions{})
		defer stream.Close()
		var given []uint64
		for update, err := range stream.Updates() {
			if err != nil {
				t.Fatal(err)
			}
			given = append(given, update.Sequence)
			switch update.Sequence {
			case 1:
				service.tell(updated(2, "d b a", "d")) // only this one tells of d
				for sequence := range uint64(10) {
					service.tell(updated(sequence+3, "b d a", ""))
				}
				err = stream.Shown(2, 0)
			case 12:
				same(t, "list", listed(update), "b d a")
				for sequence := range uint64(28) {
					service.tell(updated(sequence+13, "b d a", ""))
				}
				err = stream.Shown(1, 0) // the service has forgotten it and would end the stream
			case 40:
				same(t, "changed", update.Changed, false)
				err = errors.Join(stream.Shown(3, 0), stream.Shown(1, 12))
				synctest.Wait()
				stream.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		same(t, "given", fmt.Sprint(given), "[1 12 40]")
		same(t, "told", service.told(), "2 of 1, 3 of 40")
	})
}

func TestTheNextConnectionIsToldOfNoUpdateThatItDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &fed{updates: make(chan *penchantv1.RecommendationUpdate, 1)}
		client := serve(t, &fake{stream: service.stream})
		service.updates <- updated(1, "a b", "a b")
		stream := client.Stream(t.Context(), "ann", ListOptions{})
		defer stream.Close()
		for update, err := range stream.Updates() {
			if err != nil {
				t.Fatal(err)
			}
			switch update.Sequence {
			case 1:
				service.tell(updated(2, "b a", ""))
			case 2:
				service.tell(nil) // the connection breaks
				service.updates <- updated(3, "a b", "")
			case 3:
				for sequence := range uint64(3) {
					if err := stream.Shown(1, sequence+1); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				stream.Close()
			}
		}
		same(t, "told", service.told(), "1 of 2, 1 of 3")
	})
}

func TestWhoLeavesIsGivenNothingAndNothingRunsOn(t *testing.T) {
	for name, leave := range map[string]func(*Stream, context.CancelFunc) bool{
		"break":  func(*Stream, context.CancelFunc) bool { return true },
		"close":  func(stream *Stream, _ context.CancelFunc) bool { stream.Close(); return false },
		"cancel": func(_ *Stream, cancel context.CancelFunc) bool { cancel(); return false },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &fed{updates: make(chan *penchantv1.RecommendationUpdate, 1)}
				client := serve(t, &fake{stream: service.stream})
				service.updates <- updated(1, "a", "a")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stream := client.Stream(ctx, "ann", ListOptions{})
				var last error
				for update, err := range stream.Updates() {
					if last = err; err != nil {
						continue
					}
					same(t, "update", update.Sequence, uint64(1))
					service.tell(updated(2, "a", "")) // it waits here
					same(t, "reads", running("(*mailbox).read"), true)
					if leave(stream, cancel) {
						break
					}
				}
				synctest.Wait()
				same(t, "an error", errors.Is(last, ErrCancelled), name == "cancel")
				same(t, "reads on", running("(*mailbox).read"), false)
			})
		})
	}
}

// running reports whether a goroutine is in a function.
func running(function string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function)
}
