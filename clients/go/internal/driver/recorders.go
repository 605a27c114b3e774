package main

import (
	"context"
	"slices"
	"sync"

	"penchant.dev/go"
)

// recorder keeps what was acknowledged until it is asked for.
type recorder struct {
	*penchant.Recorder
	mu      sync.Mutex
	answers []penchant.Acknowledged
}

func (r *recorder) acknowledged(one penchant.Acknowledged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, one)
}

func (r *recorder) collect() answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := acknowledgedOf(r.answers)
	r.answers = nil
	return told
}

func (d *driver) recordMany(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	events := make([]penchant.Event, 0, len(asked.Events))
	for _, one := range asked.Events {
		events = append(events, one.value())
	}
	var answers []penchant.Acknowledged
	for one, err := range client.RecordMany(ctx, slices.Values(events), asked.sends()...) {
		if err != nil {
			return nil, err
		}
		answers = append(answers, one)
	}
	return acknowledgedOf(answers), nil
}

func (d *driver) openRecorder(_ context.Context, client *penchant.Client, asked request) (answer, error) {
	opened := &recorder{}
	var err error
	if opened.Recorder, err = client.Recorder(opened.acknowledged, asked.sends()...); err != nil {
		return nil, err
	}
	d.recorders[asked.Name] = opened
	return answer{}, nil
}

func (d *driver) recorder(asked request) (*recorder, error) {
	opened, ok := d.recorders[asked.Name]
	if !ok {
		return nil, problem{"Unsupported", "no recorder " + asked.Name}
	}
	return opened, nil
}

func (d *driver) put(ctx context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.recorder(asked)
	if err != nil {
		return nil, err
	}
	for _, one := range asked.Events {
		if err := opened.Put(ctx, one.value()); err != nil {
			return nil, err
		}
	}
	return answer{}, nil
}

func (d *driver) flush(ctx context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.recorder(asked)
	if err != nil {
		return nil, err
	}
	if err := opened.Flush(ctx); err != nil {
		return nil, err
	}
	return opened.collect(), nil
}

func (d *driver) closeRecorder(ctx context.Context, _ *penchant.Client, asked request) (answer, error) {
	opened, err := d.recorder(asked)
	if err != nil {
		return nil, err
	}
	delete(d.recorders, asked.Name)
	if err := opened.Close(ctx); err != nil {
		return nil, err
	}
	return opened.collect(), nil
}
