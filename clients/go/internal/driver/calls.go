package main

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"penchant.dev/go"
	penchantv1 "penchant.dev/go/penchant/v1"
)

func (d *driver) connect(asked request) (answer, error) {
	var chosen []penchant.Option
	timeout := 5 * time.Second
	if asked.Timeout > 0 {
		timeout = time.Duration(asked.Timeout) * time.Millisecond
		chosen = append(chosen, penchant.WithTimeout(timeout))
	}
	if asked.Retries != nil {
		chosen = append(chosen, penchant.WithRetries(*asked.Retries))
	}
	if asked.APIKey != "" {
		chosen = append(chosen, penchant.WithAPIKey(asked.APIKey))
	}
	if asked.ReadYourWrites {
		chosen = append(chosen, penchant.WithReadYourWrites())
	}
	switch told := bytes.TrimSpace(asked.TLS); {
	case bytes.HasPrefix(told, []byte("{")):
		var files penchant.TLSFiles
		if err := json.Unmarshal(told, &files); err != nil {
			return nil, err
		}
		chosen = append(chosen, penchant.WithTLSFiles(files))
	case bytes.Equal(told, []byte("true")):
		chosen = append(chosen, penchant.WithTLS())
	}
	client, err := penchant.Dial(asked.Target, chosen...)
	if err != nil {
		return nil, err
	}
	d.clients[asked.Client], d.timeouts[asked.Client] = client, timeout
	return answer{}, nil
}

func (d *driver) close(_ context.Context, client *penchant.Client, _ request) (answer, error) {
	return answer{}, client.Close()
}

func (d *driver) record(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	found, err := client.Record(ctx, asked.Event.value())
	if err != nil {
		return nil, err
	}
	return answer{
		"event_id": found.EventID, "freshness_token": found.FreshnessToken, "unchanged": found.Unchanged,
	}, nil
}

func (d *driver) upsert(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	items := make([]penchant.Item, 0, len(asked.Items))
	for _, one := range asked.Items {
		items = append(items, one.value())
	}
	found, err := client.UpsertItems(ctx, items, asked.sends()...)
	if err != nil {
		return nil, err
	}
	refused := make([]answer, 0, len(found.Refused))
	for _, one := range found.Refused {
		refused = append(refused, answer{"index": one.Index, "item_id": one.ItemID, "error": errorOf(one.Err)})
	}
	return answer{"accepted": found.Accepted, "refused": refused}, nil
}

func (d *driver) delete(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	found, err := client.DeleteItems(ctx, asked.ItemIDs...)
	if err != nil {
		return nil, err
	}
	return answer{"deleted": found.Deleted, "unknown": append([]string{}, found.Unknown...)}, nil
}

func (d *driver) recommend(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	return recommendationsOf(client.Recommend(ctx, asked.UserID, asked.Options.value(), asked.reads()...))
}

func (d *driver) similar(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	return recommendationsOf(client.Similar(ctx, asked.ItemID, asked.Options.value()))
}

func (d *driver) search(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	return recommendationsOf(client.Search(ctx, asked.Query, asked.Options.value()))
}

func (d *driver) interests(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	found, err := client.Interests(ctx, asked.UserID, asked.reads()...)
	if err != nil {
		return nil, err
	}
	return answer{
		"event_count": found.EventCount, "interests": len(found.Interests), "dislikes": len(found.Dislikes),
	}, nil
}

func (d *driver) raw(ctx context.Context, client *penchant.Client, asked request) (answer, error) {
	wanted := &penchantv1.RecommendRequest{}
	if err := protojson.Unmarshal(asked.Recommend, wanted); err != nil {
		return nil, err
	}
	found, err := client.Raw().Recommendations.Recommend(ctx, wanted)
	if err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(found)
	return answer{"response": json.RawMessage(text)}, err
}
