package main

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"penchant.dev/go"
)

// update is an update, or how the stream ended.
type update struct {
	*penchant.Update
	err error
}

// stream reads as updates come; a lazy one reads when it is asked, one at a time.
type stream struct {
	steered *penchant.Stream // nil: watches only
	leave   context.CancelFunc
	asked   chan struct{} // nil: it is not lazy; holds at most one question

	mu      sync.Mutex
	updates []update      // that were read and not taken
	arrived chan struct{} // holds at most one: something was read
}

func (d *driver) openStream(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	ctx, leave := context.WithCancel(ctx)
	opened := &stream{leave: leave, arrived: make(chan struct{}, 1)}
	if asked.Lazy {
		opened.asked = make(chan struct{}, 1)
	}
	var updates iter.Seq2[*penchant.Update, error]
	if asked.Watch {
		updates = client.Watch(ctx, asked.UserID, asked.Options.value(), asked.reads()...)
	} else {
		opened.steered = client.Stream(ctx, asked.UserID, asked.Options.value(), asked.reads()...)
		updates = opened.steered.Updates()
	}
	go opened.read(ctx, updates)
	d.streams[asked.Name] = opened
	return answer{}, nil
}

func (s *stream) read(ctx context.Context, updates iter.Seq2[*penchant.Update, error]) {
	if !s.wanted(ctx) {
		return
	}
	for found, err := range updates {
		s.put(update{found, err})
		if !s.wanted(ctx) {
			return
		}
	}
	s.put(update{nil, problem{"NoUpdate", "the stream has ended"}})
}

// wanted waits until a lazy stream is asked.
func (s *stream) wanted(ctx context.Context) bool {
	if s.asked == nil {
		return true
	}
	select {
	case <-s.asked:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *stream) put(one update) {
	s.mu.Lock()
	s.updates = append(s.updates, one)
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// collect takes so many updates off the front at most.
func (s *stream) collect(most int) []update {
	s.mu.Lock()
	defer s.mu.Unlock()
	most = min(most, len(s.updates))
	taken := s.updates[:most]
	s.updates = s.updates[most:]
	return taken
}

// take returns the next update within a time.
func (s *stream) take(within time.Duration) (*penchant.Update, error) {
	late := time.After(within)
	for {
		if taken := s.collect(1); len(taken) > 0 {
			return taken[0].Update, taken[0].err
		}
		if s.asked != nil {
			select {
			case s.asked <- struct{}{}:
			default:
			}
		}
		select {
		case <-s.arrived:
		case <-late:
			return nil, problem{"NoUpdate", ""}
		}
	}
}

func (d *driver) stream(asked request) (*stream, error) {
	opened, ok := d.streams[asked.Name]
	if !ok {
		return nil, problem{"Unsupported", "no stream " + asked.Name}
	}
	return opened, nil
}

func (d *driver) next(_ context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.stream(asked)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(asked.After) * time.Millisecond)
	found, err := opened.take(time.Duration(asked.Within) * time.Millisecond)
	if err != nil {
		return nil, err
	}
	return updateOf(found), nil
}

func (d *driver) latest(_ context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.stream(asked)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(asked.After) * time.Millisecond)
	read := opened.collect(math.MaxInt)
	if len(read) == 0 {
		return nil, problem{"NoUpdate", ""}
	}
	newest := read[len(read)-1]
	if newest.err != nil {
		return nil, newest.err
	}
	return updateOf(newest.Update), nil
}

func (d *driver) shown(_ context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.steered(asked)
	if err != nil {
		return nil, err
	}
	return answer{}, opened.Shown(asked.Positions, asked.Sequence)
}

func (d *driver) change(_ context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.steered(asked)
	if err != nil {
		return nil, err
	}
	return answer{}, opened.Change(asked.Options.value())
}

func (d *driver) steered(asked request) (*penchant.Stream, error) {
	opened, err := d.stream(asked)
	if err != nil {
		return nil, err
	}
	if opened.steered == nil {
		return nil, problem{"Unsupported", asked.Name + " only listens"}
	}
	return opened.steered, nil
}

func (d *driver) closeStream(_ context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.stream(asked)
	if err != nil {
		return nil, err
	}
	opened.leave()
	if opened.steered != nil {
		opened.steered.Close()
	}
	delete(d.streams, asked.Name)
	return answer{}, nil
}
