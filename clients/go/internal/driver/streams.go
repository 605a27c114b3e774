package main

import (
	"context"
	"iter"
	"time"

	"penchant.dev/go"
)

// quiet is how long nothing comes until what came last is taken to be the newest: long enough to connect anew.
const quiet = 500 * time.Millisecond

// update is an update, or how the stream ended.
type update struct {
	*penchant.Update
	err error
}

// stream reads one update ahead of what it is asked for, and no more: the service feels a slow reader.
type stream struct {
	steered *penchant.Stream // nil: watches only
	updates chan update      // closed when the stream has ended
	leave   context.CancelFunc
}

func (d *driver) openStream(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	ctx, leave := context.WithCancel(ctx)
	opened := &stream{updates: make(chan update), leave: leave}
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
	defer close(s.updates)
	for found, err := range updates {
		select {
		case s.updates <- update{found, err}:
		case <-ctx.Done():
			return
		}
	}
}

// take returns the next update within a time.
func (s *stream) take(within time.Duration) (*penchant.Update, error) {
	select {
	case found, open := <-s.updates:
		if !open {
			return nil, problem{"NoUpdate", "the stream has ended"}
		}
		return found.Update, found.err
	case <-time.After(within):
		return nil, problem{"NoUpdate", ""}
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
	newest, err := opened.take(quiet)
	if err != nil {
		return nil, err
	}
	for {
		newer, err := opened.take(quiet)
		if own, ok := err.(problem); ok && own.kind == "NoUpdate" {
			return updateOf(newest), nil
		}
		if err != nil {
			return nil, err
		}
		newest = newer
	}
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
