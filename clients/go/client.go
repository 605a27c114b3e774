package penchant

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// Client is a connection to the service. It is safe for use by many goroutines at once.
type Client struct {
	stubs   Stubs
	timeout time.Duration
	retries int
	tokens  *tokens // nil without WithReadYourWrites
	close   func() error

	mu        sync.Mutex
	closed    bool
	recorders []*Recorder // those that are open
}

// Stubs are the generated stubs, for calls that the client does not cover. They share the client's connection,
// credentials and retries, but not its deadlines.
type Stubs struct {
	// Conn is the connection itself.
	Conn *grpc.ClientConn
	// Events takes in what users do and say.
	Events penchantv1.EventServiceClient
	// Catalog keeps the items.
	Catalog penchantv1.CatalogServiceClient
	// Recommendations answers what a user would like next.
	Recommendations penchantv1.RecommendationServiceClient
	// Users shows what the service knows of a user.
	Users penchantv1.UserServiceClient
	// Models changes the encoder of a service while it serves.
	Models penchantv1.ModelServiceClient
}

// Dial returns a client of the service at target, a gRPC target such as host:port. It makes no call: the first one
// connects.
func Dial(target string, options ...Option) (*Client, error) {
	chosen := &settings{timeout: defaultTimeout, retries: defaultRetries}
	for _, option := range options {
		if err := option(chosen); err != nil {
			return nil, err
		}
	}
	dialOptions, err := chosen.dialOptions()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(target, dialOptions...)
	if err != nil {
		return nil, invalid("target", err.Error())
	}
	client := &Client{
		stubs: Stubs{
			Conn:            conn,
			Events:          penchantv1.NewEventServiceClient(conn),
			Catalog:         penchantv1.NewCatalogServiceClient(conn),
			Recommendations: penchantv1.NewRecommendationServiceClient(conn),
			Users:           penchantv1.NewUserServiceClient(conn),
			Models:          penchantv1.NewModelServiceClient(conn),
		},
		timeout: chosen.timeout,
		retries: chosen.retries,
	}
	client.close = sync.OnceValue(func() error {
		return errors.Join(client.closeRecorders(), errorOf(conn.Close()))
	})
	if chosen.readsOwnWrites {
		client.tokens = newTokens(rememberedUsers)
	}
	return client, nil
}

// Raw returns the generated stubs.
func (c *Client) Raw() Stubs { return c.stubs }

// Close closes recorders that are open, for at most [WithTimeout], and then the connection; calls under way, streams
// included, fail with [ErrCancelled]. It returns an [*UnansweredError], which says how many, when recorders still hold
// events. Closing again returns the same.
func (c *Client) Close() error { return c.close() }

// ready waits until the client is connected, and sees to it that it will be.
func (c *Client) ready(ctx context.Context) error {
	conn := c.stubs.Conn
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Shutdown:
			return errClientClosed
		case connectivity.Idle:
			conn.Connect() // after half an hour without a call gRPC tries no longer
		}
		if !conn.WaitForStateChange(ctx, state) {
			return endOf(ctx)
		}
	}
}

// ask makes a unary call, with the client's deadline where the context has none.
func ask[Req, Resp any](
	ctx context.Context,
	c *Client,
	method func(context.Context, *Req, ...grpc.CallOption) (*Resp, error),
	request *Req,
) (*Resp, error) {
	if _, limited := ctx.Deadline(); !limited {
		limitedCtx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		ctx = limitedCtx
	}
	response, err := method(ctx, request)
	return response, errorOf(err)
}

// reading is what was said about one read, and the token of the user's own last write where nothing else was.
func (c *Client) reading(userID string, options []ReadOption) reading {
	chosen := reading{minFreshness: c.tokens.of(userID)}
	for _, option := range options {
		option(&chosen)
	}
	return chosen
}
