package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"slices"
	"syscall"
	"time"

	"penchant.dev/go"
	penchantv1 "penchant.dev/go/penchant/v1"
)

const (
	measuredBatch  = 100
	measuredWindow = 1_000
)

// measure does a thing many times, by the wrapper or by the bare stub, and tells what it cost.
func (d *driver) measure(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	var calls []time.Duration
	var err error
	cpu, began := cpuTime(), time.Now()
	switch asked.What {
	case "recommend":
		calls, err = repeated(asked.Count, func() error {
			_, err := client.Recommend(ctx, asked.UserID, penchant.ListOptions{})
			return err
		})
	case "recommend_raw":
		stub, timeout := client.Raw().Recommendations, d.timeouts[asked.Client]
		calls, err = repeated(asked.Count, func() error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			_, err := stub.Recommend(ctx, &penchantv1.RecommendRequest{UserId: asked.UserID})
			return err
		})
	case "events", "events_raw":
		if len(asked.ItemIDs) == 0 {
			return nil, problem{"Unsupported", "events of no item"}
		}
		if asked.What == "events" {
			err = recordViews(ctx, client, asked)
		} else {
			err = recordViewsRaw(ctx, client, asked)
		}
	default:
		return nil, problem{"Unsupported", "measure " + asked.What}
	}
	seconds, used := time.Since(began), cpuTime()-cpu
	if err != nil {
		return nil, err
	}
	return answer{
		"count": asked.Count, "seconds": seconds.Seconds(), "cpu": used.Seconds(),
		"p50": percentile(calls, 0.50), "p99": percentile(calls, 0.99),
	}, nil
}

// repeated returns how long each of the calls took, the shortest first.
func repeated(count int, call func() error) ([]time.Duration, error) {
	took := make([]time.Duration, 0, count)
	for range count {
		began := time.Now()
		if err := call(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took, nil
}

// percentile is in milliseconds, nil of nothing.
func percentile(sorted []time.Duration, part float64) any {
	if len(sorted) == 0 {
		return nil
	}
	return sorted[int(math.Ceil(part*float64(len(sorted))))-1].Seconds() * 1000
}

func recordViews(ctx context.Context, client *penchant.Client, asked request) error {
	recorder, err := client.Recorder(nil, penchant.WithBatch(measuredBatch), penchant.WithWindow(measuredWindow))
	if err != nil {
		return err
	}
	for number := range asked.Count {
		view := penchant.Event{UserID: asked.UserID, Type: "view", ItemID: asked.ItemIDs[number%len(asked.ItemIDs)]}
		if err := recorder.Put(ctx, view); err != nil {
			return errors.Join(err, recorder.Close(ctx))
		}
	}
	return errors.Join(recorder.Flush(ctx), recorder.Close(ctx))
}

// recordViewsRaw writes requests of a batch as long as no more than a window is unanswered.
func recordViewsRaw(ctx context.Context, client *penchant.Client, asked request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := client.Raw().Events.RecordEvents(ctx)
	if err != nil {
		return err
	}
	room := make(chan struct{}, measuredWindow/measuredBatch)
	go func() {
		for first := 0; first < asked.Count; first += measuredBatch {
			batch := &penchantv1.RecordEventsRequest{}
			for number := first; number < min(first+measuredBatch, asked.Count); number++ {
				batch.Events = append(batch.Events, &penchantv1.Event{
					EventId: rand.Text(), UserId: asked.UserID, Type: "view",
					ItemId: asked.ItemIDs[number%len(asked.ItemIDs)],
				})
			}
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			if call.Send(batch) != nil {
				return // the reader is told why
			}
		}
		_ = call.CloseSend()
	}()
	answered := 0
	for {
		response, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for range response.GetAcknowledgements() {
			if answered++; answered%measuredBatch == 0 {
				<-room
			}
		}
	}
	if answered != asked.Count {
		return problem{"Internal", "not everything was answered"}
	}
	return nil
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
