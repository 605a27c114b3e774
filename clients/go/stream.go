package penchant

import (
	"context"
	"iter"
	"sync"

	"google.golang.org/grpc"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// streamCall is one connection of a [Stream].
type streamCall = grpc.BidiStreamingClient[
	penchantv1.StreamRecommendationsRequest, penchantv1.StreamRecommendationsResponse]

// Stream is a list that follows a user and can be steered. One goroutine may range over [Stream.Updates] while others
// call [Stream.Shown], [Stream.Change] and [Stream.Close].
type Stream struct {
	follower *follower
	open     func(context.Context, ...grpc.CallOption) (streamCall, error)
	ctx      context.Context
	cancel   context.CancelCauseFunc

	writing sync.Mutex // gRPC takes one message at a time
	call    streamCall // nil before the first connection
}

// Stream returns the user's list as a stream that can be steered; it connects when [Stream.Updates] is ranged over. It
// ends with ctx, or by [Stream.Close].
func (c *Client) Stream(ctx context.Context, userID string, options ListOptions, reads ...ReadOption) *Stream {
	s := &Stream{follower: c.follower(userID, options, reads), open: c.stubs.Recommendations.StreamRecommendations}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.follower.connect = s.connect
	return s
}

// Watch yields the user's list, whole, whenever it changes. It goes on by itself when the connection breaks or the service
// restarts, and never gives an update twice; a loop that is slow is given the newest list and not those between. An error
// comes with a nil update and is the last; it is [ErrDeadlineExceeded] when no first update comes within [WithTimeout].
// Leaving the loop closes the connection; ranging again goes on from there.
func (c *Client) Watch(
	ctx context.Context, userID string, options ListOptions, reads ...ReadOption,
) iter.Seq2[*Update, error] {
	f := c.follower(userID, options, reads)
	f.connect = func(ctx context.Context) (receiver, error) {
		f.mu.Lock()
		open := f.following.opening()
		f.mu.Unlock()
		request := &penchantv1.WatchRecommendationsRequest{Open: open}
		call, err := c.stubs.Recommendations.WatchRecommendations(ctx, request)
		if err != nil {
			return nil, err
		}
		return func() (*penchantv1.RecommendationUpdate, error) {
			response, err := call.Recv()
			return response.GetUpdate(), err
		}, nil
	}
	return func(yield func(*Update, error) bool) { f.follow(ctx, yield) }
}

// Updates yields the whole list whenever it moves, as [Client.Watch] does. After [Stream.Close] the sequence ends without
// an error.
func (s *Stream) Updates() iter.Seq2[*Update, error] {
	return func(yield func(*Update, error) bool) { s.follower.follow(s.ctx, yield) }
}

// Shown says that the first so many positions, 0–100, of an update are on the user's screen: they stay as they are.
// sequence is that update's; 0: the last one given. Of an update that the service has forgotten, after 16 newer ones or
// on another connection, nothing is said: a newer list is about to be given.
func (s *Stream) Shown(positions int, sequence uint64) error {
	return s.tell(func(f *follower) (*penchantv1.StreamRecommendationsRequest, error) {
		return f.shown(positions, sequence)
	})
}

// Change says what the list should look like from now on. Positions that were shown are released.
func (s *Stream) Change(options ListOptions) error {
	return s.tell(func(f *follower) (*penchantv1.StreamRecommendationsRequest, error) {
		return f.following.change(encodeOptions(options)), nil
	})
}

// Close ends the stream. Closing again does nothing.
func (s *Stream) Close() { s.cancel(errEnough) }

func (s *Stream) connect(ctx context.Context) (receiver, error) {
	call, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.follower.mu.Lock()
	introduction := s.follower.following.introduction()
	s.follower.mu.Unlock()
	s.call = call
	send(call, introduction)
	return func() (*penchantv1.RecommendationUpdate, error) {
		response, err := call.Recv()
		return response.GetUpdate(), err
	}, nil
}

// tell says something on the connection that there is. Without one there is nobody to tell yet: the introduction of the
// next one says it.
func (s *Stream) tell(say func(*follower) (*penchantv1.StreamRecommendationsRequest, error)) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.follower.mu.Lock()
	message, err := say(s.follower)
	s.follower.mu.Unlock()
	if err != nil {
		return err
	}
	if message != nil && s.call != nil {
		send(s.call, message)
	}
	return nil
}

// send lets a failure be: it says less than the status that the reader is about to see.
func send(call streamCall, message *penchantv1.StreamRecommendationsRequest) { _ = call.Send(message) }

func (c *Client) follower(userID string, options ListOptions, reads []ReadOption) *follower {
	chosen := c.reading(userID, reads)
	return &follower{
		ready:    c.ready,
		retries:  c.retries,
		patience: c.timeout,
		following: newFollowing(&penchantv1.StreamStart{
			UserId:       userID,
			Options:      encodeOptions(options),
			Surface:      chosen.surface,
			MinFreshness: chosen.minFreshness,
		}),
	}
}
