package penchant

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// fake is a service that answers as a test says.
type fake struct {
	penchantv1.UnimplementedEventServiceServer
	penchantv1.UnimplementedCatalogServiceServer
	penchantv1.UnimplementedRecommendationServiceServer
	penchantv1.UnimplementedUserServiceServer

	recordEvent  func(context.Context, *penchantv1.RecordEventRequest) (*penchantv1.RecordEventResponse, error)
	recordEvents func(eventCall) error
	upsertItems  func(itemCall) error
	deleteItems  func(*penchantv1.DeleteItemsRequest) (*penchantv1.DeleteItemsResponse, error)
	listItems    func(*penchantv1.ListItemsRequest) (*penchantv1.ListItemsResponse, error)
	recommend    func(context.Context, *penchantv1.RecommendRequest) (*penchantv1.RecommendResponse, error)
	stream       func(steeredCall) error
	watch        func(*penchantv1.StreamStart, watchCall) error
	interests    func(*penchantv1.GetInterestsRequest) (*penchantv1.GetInterestsResponse, error)
}

type (
	eventCall   = grpc.BidiStreamingServer[penchantv1.RecordEventsRequest, penchantv1.RecordEventsResponse]
	itemCall    = grpc.BidiStreamingServer[penchantv1.UpsertItemsRequest, penchantv1.UpsertItemsResponse]
	steeredCall = grpc.BidiStreamingServer[
		penchantv1.StreamRecommendationsRequest, penchantv1.StreamRecommendationsResponse]
	watchCall = grpc.ServerStreamingServer[penchantv1.WatchRecommendationsResponse]
)

func (f *fake) RecordEvent(
	ctx context.Context, asked *penchantv1.RecordEventRequest,
) (*penchantv1.RecordEventResponse, error) {
	return f.recordEvent(ctx, asked)
}

func (f *fake) RecordEvents(call eventCall) error { return f.recordEvents(call) }

func (f *fake) UpsertItems(call itemCall) error { return f.upsertItems(call) }

func (f *fake) DeleteItems(
	_ context.Context, asked *penchantv1.DeleteItemsRequest,
) (*penchantv1.DeleteItemsResponse, error) {
	return f.deleteItems(asked)
}

func (f *fake) ListItems(_ context.Context, asked *penchantv1.ListItemsRequest) (*penchantv1.ListItemsResponse, error) {
	return f.listItems(asked)
}

func (f *fake) Recommend(
	ctx context.Context, asked *penchantv1.RecommendRequest,
) (*penchantv1.RecommendResponse, error) {
	return f.recommend(ctx, asked)
}

func (f *fake) StreamRecommendations(call steeredCall) error { return f.stream(call) }

func (f *fake) WatchRecommendations(asked *penchantv1.WatchRecommendationsRequest, call watchCall) error {
	return f.watch(asked.GetOpen(), call)
}

func (f *fake) GetInterests(
	_ context.Context, asked *penchantv1.GetInterestsRequest,
) (*penchantv1.GetInterestsResponse, error) {
	return f.interests(asked)
}

// serve runs the fake inside this process, and returns a client of it.
func serve(t *testing.T, f *fake, options ...Option) *Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	// As the real service: it lets a client ask after it as often as this one does.
	serveOn(t, f, listener, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second}))
	reach := WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return listener.DialContext(ctx)
	}))
	return dialed(t, "passthrough:///fake", append([]Option{reach}, options...)...)
}

func serveOn(t *testing.T, f *fake, listener net.Listener, options ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	server := grpc.NewServer(options...)
	penchantv1.RegisterEventServiceServer(server, f)
	penchantv1.RegisterCatalogServiceServer(server, f)
	penchantv1.RegisterRecommendationServiceServer(server, f)
	penchantv1.RegisterUserServiceServer(server, f)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Stop(); <-ended })
	return server
}

func dialed(t *testing.T, target string, options ...Option) *Client {
	t.Helper()
	client, err := Dial(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// failure is an error with all the details that the service gives.
func failure(code codes.Code, reason, field string) error {
	failed, err := status.New(code, "it failed").WithDetails(
		protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: reason, Domain: "penchant"}),
		protoadapt.MessageV1Of(&errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field}},
		}),
		protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(1500e6)}),
	)
	if err != nil {
		panic(err)
	}
	return failed.Err()
}

var gone = status.Error(codes.Unavailable, "going")

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	equal := got == want
	if message, ok := got.(proto.Message); ok {
		equal = proto.Equal(message, want.(proto.Message))
	}
	if !equal {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
