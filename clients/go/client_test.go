package penchant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	penchantv1 "penchant.dev/go/penchant/v1"
)

func TestARetryCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		client := serve(t, &fake{recordEvent: func(
			_ context.Context, asked *penchantv1.RecordEventRequest,
		) (*penchantv1.RecordEventResponse, error) {
			ids = append(ids, asked.GetEvent().GetEventId())
			if len(ids) < 4 {
				return nil, gone
			}
			return &penchantv1.RecordEventResponse{EventId: ids[0], FreshnessToken: "f1", Unchanged: true}, nil
		}})
		recorded, err := client.Record(t.Context(), Event{UserID: "ann", Type: "view", ItemID: "a"})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "recorded", *recorded, Recorded{EventID: ids[0], FreshnessToken: "f1", Unchanged: true})
		if ids[0] == "" || ids[0] != ids[1] || ids[0] != ids[3] {
			t.Fatalf("ids of the attempts: %q", ids)
		}
	})
}

func TestAnErrorTellsWhatTheServiceTold(t *testing.T) {
	for code, kind := range map[codes.Code]Kind{
		codes.InvalidArgument: ErrInvalidArgument, codes.OutOfRange: ErrInvalidArgument, codes.NotFound: ErrNotFound,
		codes.Aborted: ErrFailedPrecondition, codes.Unauthenticated: ErrUnauthenticated, codes.Unknown: ErrInternal,
		codes.ResourceExhausted: ErrOverloaded, codes.Unimplemented: ErrUnimplemented, codes.DataLoss: ErrInternal,
	} {
		attempts := 0
		client := serve(t, &fake{recommend: func(
			context.Context, *penchantv1.RecommendRequest,
		) (*penchantv1.RecommendResponse, error) {
			attempts++
			return nil, failure(code, "A_REASON", "options.page_size")
		}})
		_, err := client.Recommend(t.Context(), "ann", ListOptions{})
		var told *Error
		if !errors.As(err, &told) || !errors.Is(err, kind) || errors.Is(err, ErrCancelled) {
			t.Fatalf("%v: %v", code, err)
		}
		same(t, "retry after", *told.RetryAfter, 1500*time.Millisecond)
		told.cause, told.RetryAfter = nil, nil
		same(t, code.String(), *told, Error{
			Kind: kind, Code: code, Reason: "A_REASON", Field: "options.page_size", Message: "it failed",
		})
		same(t, "attempts", attempts, 1)
	}
}

func TestEveryCallHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		client := serve(t, &fake{recommend: func(
			ctx context.Context, _ *penchantv1.RecommendRequest,
		) (*penchantv1.RecommendResponse, error) {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			<-ctx.Done()
			return nil, status.FromContextError(ctx.Err()).Err()
		}}, WithTimeout(7*time.Second))
		_, err := client.Recommend(t.Context(), "ann", ListOptions{})
		if !errors.Is(err, ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		synctest.Wait() // the client's deadline passed by itself, the service may still be at it
		same(t, "the client's", left.Round(time.Second), 7*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		_, _ = client.Recommend(ctx, "ann", ListOptions{})
		synctest.Wait()
		same(t, "the caller's", left.Round(time.Second), 9*time.Second)
	})
}

func TestAServiceThatIsAbsentIsUnavailable(t *testing.T) {
	client := dialed(t, "127.0.0.1:1", WithRetries(1))
	_, err := client.Interests(t.Context(), "ann")
	if !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
}

func TestAClosedClientCancels(t *testing.T) {
	client := serve(t, &fake{})
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Similar(t.Context(), "a", ListOptions{}); !errors.Is(err, ErrCancelled) {
		t.Fatal(err)
	}
}

func TestTheKeyGoesWithEveryKindOfCall(t *testing.T) {
	keys := make(map[string]string)
	note := func(ctx context.Context, call string) {
		told, _ := metadata.FromIncomingContext(ctx)
		keys[call] = strings.Join(told.Get("authorization"), "|")
	}
	client := serve(t, &fake{
		recommend: func(ctx context.Context, _ *penchantv1.RecommendRequest) (*penchantv1.RecommendResponse, error) {
			note(ctx, "unary")
			return &penchantv1.RecommendResponse{}, nil
		},
		upsertItems: func(call itemCall) error {
			note(call.Context(), "stream")
			return failure(codes.InvalidArgument, "", "")
		},
		watch: func(_ *penchantv1.StreamStart, call watchCall) error {
			note(call.Context(), "watch")
			return nil
		},
	}, WithAPIKey("k1"))
	if _, err := client.Raw().Recommendations.Recommend(t.Context(), &penchantv1.RecommendRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UpsertItems(t.Context(), []Item{{ID: "a"}}); !errors.Is(err, ErrInvalidArgument) {
		t.Fatal(err)
	}
	for _, err := range client.Watch(t.Context(), "ann", ListOptions{}) {
		t.Fatal("the service ended without an update:", err)
	}
	for _, call := range []string{"unary", "stream", "watch"} {
		same(t, call, keys[call], "Bearer k1")
	}
}

func TestWhatCannotBeIsRefusedByDial(t *testing.T) {
	for field, option := range map[string]Option{
		"retries": WithRetries(5),
		"timeout": WithTimeout(0),
		"api_key": WithAPIKey("secret key"),
		"tls":     WithTLSFiles(TLSFiles{Cert: "me.pem"}),
	} {
		_, err := Dial("127.0.0.1:1", option)
		var refused *Error
		if !errors.As(err, &refused) || refused.Kind != ErrInvalidArgument || refused.Field != field {
			t.Fatalf("%s: %v", field, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Fatal("an error tells the key")
		}
	}
}

func TestReadingOnesOwnWrites(t *testing.T) {
	service := func() (*fake, *[]string) {
		var asked []string
		return &fake{
			recordEvent: func(context.Context, *penchantv1.RecordEventRequest) (*penchantv1.RecordEventResponse, error) {
				return &penchantv1.RecordEventResponse{FreshnessToken: "f1"}, nil
			},
			recommend: func(_ context.Context, one *penchantv1.RecommendRequest) (*penchantv1.RecommendResponse, error) {
				asked = append(asked, one.GetMinFreshness())
				return &penchantv1.RecommendResponse{}, nil
			},
			interests: func(one *penchantv1.GetInterestsRequest) (*penchantv1.GetInterestsResponse, error) {
				asked = append(asked, one.GetMinFreshness())
				return &penchantv1.GetInterestsResponse{}, nil
			},
			watch: func(open *penchantv1.StreamStart, _ watchCall) error {
				asked = append(asked, open.GetMinFreshness())
				return nil
			},
		}, &asked
	}
	for want, options := range map[string][]Option{"[ f0  ]": nil, "[f1 f0  f1 f1]": {WithReadYourWrites()}} {
		f, asked := service()
		client := serve(t, f, options...)
		ctx := t.Context()
		_, err := client.Record(ctx, Event{UserID: "ann", Type: "view", ItemID: "a"})
		_, err1 := client.Recommend(ctx, "ann", ListOptions{})
		_, err2 := client.Recommend(ctx, "ann", ListOptions{}, MinFreshness("f0"))
		_, err3 := client.Recommend(ctx, "bob", ListOptions{})
		_, err4 := client.Interests(ctx, "ann")
		if err := errors.Join(err, err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		if options != nil {
			for range client.Watch(ctx, "ann", ListOptions{}) {
				t.Fatal("an update out of nothing")
			}
		}
		same(t, "tokens", fmt.Sprint(*asked), want)
	}
}

func TestManyIdsAreDeletedInSeveralCalls(t *testing.T) {
	var sizes []int
	client := serve(t, &fake{deleteItems: func(asked *penchantv1.DeleteItemsRequest) (*penchantv1.DeleteItemsResponse, error) {
		sizes = append(sizes, len(asked.GetItemIds()))
		return &penchantv1.DeleteItemsResponse{Deleted: 2, UnknownItemIds: asked.GetItemIds()[:1]}, nil
	}})
	result, err := client.DeleteItems(t.Context(), make([]string, 1_001)...)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "calls", fmt.Sprint(sizes), "[1000 1]")
	same(t, "deleted", result.Deleted, 4)
	same(t, "unknown", len(result.Unknown), 2)
}

func TestTheCatalogueIsReadPageByPage(t *testing.T) {
	pages := 0
	client := serve(t, &fake{listItems: func(asked *penchantv1.ListItemsRequest) (*penchantv1.ListItemsResponse, error) {
		pages++
		if asked.GetPageToken() == "" {
			return &penchantv1.ListItemsResponse{
				Items: []*penchantv1.Item{{ItemId: "a"}, {ItemId: "b"}}, NextPageToken: "second",
			}, nil
		}
		return &penchantv1.ListItemsResponse{Items: []*penchantv1.Item{{ItemId: "c"}}}, nil
	}})
	var ids []string
	for item, err := range client.ListItems(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, item.ID)
	}
	same(t, "items", fmt.Sprint(ids), "[a b c]")
	for range client.ListItems(t.Context()) {
		break
	}
	same(t, "pages", pages, 3)
}
