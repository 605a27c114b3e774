package penchant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// reconnected is the longest that gRPC waits between two attempts to connect.
const reconnected = 840 * time.Millisecond

// restarting is a service that goes and comes back. Use it inside synctest, where an absence of an hour takes no time.
type restarting struct {
	t        *testing.T
	fake     *fake
	server   *grpc.Server
	listener atomic.Pointer[bufconn.Listener]
	dials    atomic.Int32
	back     atomic.Int64 // when it served last, nanoseconds since 1970
	dialed   atomic.Int64 // when a connection was made last
}

func restartable(t *testing.T, f *fake, options ...Option) (*restarting, *Client) {
	service := &restarting{t: t, fake: f}
	service.serve()
	reach := WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		service.dials.Add(1)
		conn, err := service.listener.Load().DialContext(ctx)
		if err == nil {
			service.dialed.Store(time.Now().UnixNano())
		}
		return conn, err
	}))
	return service, dialed(t, "passthrough:///restarting", append([]Option{reach}, options...)...)
}

func (r *restarting) serve() {
	listener := bufconn.Listen(1 << 20)
	r.server = serveOn(r.t, r.fake, listener)
	r.back.Store(time.Now().UnixNano())
	r.listener.Store(listener)
}

func (r *restarting) restart(away time.Duration) {
	r.server.Stop()
	time.Sleep(away)
	r.serve()
}

// checkPrompt fails when what happens now should have happened earlier.
func (r *restarting) checkPrompt(what string) {
	r.t.Helper()
	now := time.Now().UnixNano()
	same(r.t, what+" goes on with the connection, ns after it", now-r.dialed.Load(), int64(0))
	same(r.t, what+" goes on within a second", now-r.back.Load() <= int64(reconnected), true)
}

// absences end at all points of a wait before a reconnection; in the last one gRPC ceases to try.
func absences() []time.Duration {
	var all []time.Duration
	for at := range 40 {
		all = append(all, 7*time.Second+time.Duration(at)*93*time.Millisecond)
	}
	return append(all, time.Hour)
}

func TestAListGoesOnWithTheConnectionHoweverLongTheServiceWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		f := &fake{watch: func(_ *penchantv1.StreamStart, call watchCall) error {
			calls++
			if err := show(call, updated(uint64(calls), "a", "a")); err != nil {
				return err
			}
			<-call.Context().Done()
			return nil
		}}
		service, client := restartable(t, f, WithRetries(0))
		away := absences()
		for update, err := range client.Watch(t.Context(), "ann", ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			service.checkPrompt(fmt.Sprint("list ", update.Sequence))
			if len(away) == 0 {
				break
			}
			go service.restart(away[0])
			away = away[1:]
		}
		same(t, "calls", calls, 42)
	})
}

func TestARecorderGoesOnWithTheConnectionHoweverLongTheServiceWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLedger(nil)
		service, client := restartable(t, &fake{recordEvents: book.recordEvents}, WithRetries(0))
		recorder, err := client.Recorder(nil, WithPatience(2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		put(t, recorder, Event{UserID: "ann"})
		if err := recorder.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for at, away := range absences() {
			service.server.Stop()
			put(t, recorder, Event{UserID: "ann"})
			service.restart(away)
			if err := recorder.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			service.checkPrompt(fmt.Sprint("event ", at))
		}
		same(t, "events", len(book.known), 42)
	})
}

func TestAServiceThatIsThereButRefusesIsAskedWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLedger(func(call, _ int) error {
			if call == 1 {
				return nil
			}
			return gone
		})
		service, client := restartable(t, &fake{recordEvents: func(call eventCall) error {
			if err := book.recordEvents(call); !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		}})
		recorder, err := client.Recorder(nil, WithPatience(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		put(t, recorder, Event{UserID: "ann"})
		if err := recorder.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		service.server.Stop()
		service.serve()
		put(t, recorder, Event{UserID: "ann"})
		if err := recorder.Flush(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		same(t, "calls within reason", book.calls > 12 && book.calls < 40, true)
	})
}

func TestNobodyWaitsForAConnectionLongerThanNeedBe(t *testing.T) {
	for name, one := range map[string]struct {
		leave func(*Client, *Stream, context.CancelFunc)
		ended error
	}{
		"the stream is closed":   {func(_ *Client, stream *Stream, _ context.CancelFunc) { stream.Close() }, nil},
		"the context is over":    {func(_ *Client, _ *Stream, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"the client is closed":   {func(client *Client, _ *Stream, _ context.CancelFunc) { _ = client.Close() }, ErrCancelled},
		"the service comes back": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				service, client := restartable(t, &fake{stream: func(call steeredCall) error {
					if calls++; calls > 1 {
						return nil // the list ends here
					}
					return errors.Join(tell(call, updated(1, "a", "a")), gone)
				}})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stream := client.Stream(ctx, "ann", ListOptions{})
				var last error
				for _, err := range stream.Updates() {
					if last = err; err != nil {
						continue
					}
					service.server.Stop()
					go func() {
						time.Sleep(time.Minute)
						if one.leave == nil {
							service.serve()
						} else {
							one.leave(client, stream, cancel)
						}
					}()
				}
				if !errors.Is(last, one.ended) {
					t.Fatal(last)
				}
				same(t, "dials as gRPC paces them", service.dials.Load() > 60 && service.dials.Load() < 140, true)
				same(t, "calls without a connection", calls <= 2, true)
			})
		})
	}
}

func TestARecorderLosesPatienceWhileTheServiceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, client := restartable(t, &fake{recordEvents: newLedger(nil).recordEvents})
		recorder, err := client.Recorder(nil, WithPatience(3*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		put(t, recorder, Event{UserID: "ann"})
		if err := recorder.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		service.server.Stop()
		began := time.Now()
		put(t, recorder, Event{UserID: "ann"})
		if err := recorder.Flush(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		same(t, "patience", time.Since(began), 3*time.Second)
	})
}
