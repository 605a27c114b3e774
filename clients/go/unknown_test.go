package penchant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// later adds a field of a later contract to a message.
func later[M proto.Message](message M) M {
	news := protowire.AppendTag(nil, 1_000, protowire.BytesType)
	message.ProtoReflect().SetUnknown(protowire.AppendString(news, "news"))
	return message
}

func TestUnknownFieldsAndKindsOfReasonsArePassedOver(t *testing.T) {
	client := serve(t, &fake{recommend: func(
		context.Context, *penchantv1.RecommendRequest,
	) (*penchantv1.RecommendResponse, error) {
		reasons := []*penchantv1.Reason{
			later(&penchantv1.Reason{Kind: penchantv1.Reason_KIND_LEARNED}), {Kind: 99, Contribution: 0.5}, {},
		}
		return later(&penchantv1.RecommendResponse{Recommendations: []*penchantv1.Recommendation{
			later(&penchantv1.Recommendation{ItemId: "a", Explanation: &penchantv1.Explanation{Reasons: reasons}}),
		}}), nil
	}})
	found, err := client.Recommend(t.Context(), "ann", ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []ReasonKind
	for _, one := range found.Items[0].Reasons {
		kinds = append(kinds, one.Kind)
	}
	same(t, "kinds", fmt.Sprint(kinds), "[learned unknown unknown]")
	same(t, "contribution", found.Items[0].Reasons[1].Contribution, 0.5)
}

func TestUnknownReasonsOfErrorsAreGivenAsTheyAre(t *testing.T) {
	info, err := anypb.New(later(&errdetails.ErrorInfo{Reason: "NEWS"}))
	if err != nil {
		t.Fatal(err)
	}
	details := []*anypb.Any{{TypeUrl: "later/penchant.v9.News", Value: []byte{255}}, info}
	client := serve(t, &fake{recommend: func(
		context.Context, *penchantv1.RecommendRequest,
	) (*penchantv1.RecommendResponse, error) {
		return nil, status.ErrorProto(&statuspb.Status{Code: 5, Message: "m", Details: details})
	}})
	_, err = client.Recommend(t.Context(), "ann", ListOptions{})
	var told *Error
	if !errors.As(err, &told) {
		t.Fatal(err)
	}
	told.cause = nil
	same(t, "error", *told, Error{Kind: ErrNotFound, Code: codes.NotFound, Reason: "NEWS", Message: "m"})
	same(t, "a code of later days", errorOfStatus(&statuspb.Status{Code: 99}).Kind, ErrInternal)
}

func TestAnAdviceToTryAgainAtOnceIsAnAdvice(t *testing.T) {
	atOnce, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(0)})
	if err != nil {
		t.Fatal(err)
	}
	told := errorOfStatus(&statuspb.Status{Code: 8, Details: []*anypb.Any{atOnce}})
	if told.RetryAfter == nil || *told.RetryAfter != 0 {
		t.Fatal(told.RetryAfter)
	}
	if none := errorOfStatus(&statuspb.Status{Code: 8}); none.RetryAfter != nil {
		t.Fatal(*none.RetryAfter)
	}
}

func TestMessagesOfAStreamThatSayNothingKnownAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var openings []*penchantv1.StreamStart
		client := serve(t, &fake{
			stream: func(call steeredCall) error {
				request, err := call.Recv()
				openings = append(openings, request.GetOpen())
				number := uint64(len(openings))
				nothing := later(&penchantv1.StreamRecommendationsResponse{})
				return errors.Join(err, call.Send(nothing), tell(call, later(updated(number, "a", "a"))), call.Send(nothing), gone)
			},
			watch: func(_ *penchantv1.StreamStart, call watchCall) error {
				nothing := later(&penchantv1.WatchRecommendationsResponse{})
				return errors.Join(call.Send(nothing), show(call, updated(1, "a", "a")), call.Send(nothing))
			},
		}, WithRetries(0))
		stream := client.Stream(t.Context(), "ann", ListOptions{})
		for update, err := range stream.Updates() {
			if err != nil {
				t.Fatal(err)
			}
			same(t, "list", listed(update), "a")
			if update.Sequence == 3 {
				break
			}
		}
		same(t, "it goes on with its token", openings[2].GetResumeToken(), "r")
		updates := 0
		for _, err := range client.Watch(t.Context(), "ann", ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			updates++
		}
		same(t, "updates", updates, 1)
	})
}

func TestAResponseThatSaysNothingKnownIsNoAnswer(t *testing.T) {
	book := newLedger(nil)
	client := serve(t, &fake{
		recordEvents: func(call eventCall) error {
			return errors.Join(call.Send(later(&penchantv1.RecordEventsResponse{})), book.recordEvents(call))
		},
		upsertItems: func(call itemCall) error {
			request, err := call.Recv()
			answer := &penchantv1.UpsertItemsResponse{Accepted: uint32(len(request.GetItems()))}
			return errors.Join(err, call.Send(later(&penchantv1.UpsertItemsResponse{})), call.Send(answer))
		},
	})
	answers := 0
	for _, err := range client.RecordMany(t.Context(), slices.Values(numbered(3))) {
		if err != nil {
			t.Fatal(err)
		}
		answers++
	}
	same(t, "answers", answers, 3)
	result, err := client.UpsertItems(t.Context(), []Item{{ID: "a"}, {ID: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "accepted", result.Accepted, 2)
}

func TestItLosesPatienceWithOneWhoSaysNothingKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := serve(t, &fake{recordEvents: func(call eventCall) error {
			for {
				if err := call.Send(&penchantv1.RecordEventsResponse{}); err != nil {
					return err
				}
				select {
				case <-time.After(time.Second):
				case <-call.Context().Done():
					return nil
				}
			}
		}})
		began := time.Now()
		for _, err := range client.RecordMany(t.Context(), slices.Values(numbered(1)), WithPatience(3500*time.Millisecond)) {
			if !errors.Is(err, ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
		same(t, "patience", time.Since(began), 3500*time.Millisecond)
	})
}
