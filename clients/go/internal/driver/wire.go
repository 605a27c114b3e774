package main

import (
	"time"

	"penchant.dev/go"
)

type event struct {
	UserID           string   `json:"user_id"`
	Type             string   `json:"type"`
	EventID          string   `json:"event_id"`
	ItemID           string   `json:"item_id"`
	Text             string   `json:"text"`
	Value            *float64 `json:"value"`
	OccurredAt       *int64   `json:"occurred_at"`
	Surface          string   `json:"surface"`
	AttributionToken string   `json:"attribution_token"`
}

func (e event) value() penchant.Event {
	value := penchant.Event{
		ID: e.EventID, UserID: e.UserID, Type: e.Type, ItemID: e.ItemID, Text: e.Text, Value: e.Value,
		Surface: e.Surface, AttributionToken: e.AttributionToken,
	}
	if e.OccurredAt != nil {
		value.OccurredAt = time.UnixMilli(*e.OccurredAt)
	}
	return value
}

type item struct {
	ItemID      string            `json:"item_id"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Categories  []string          `json:"categories"`
	Price       *float64          `json:"price"`
	Unavailable bool              `json:"unavailable"`
	Attributes  map[string]string `json:"attributes"`
	Images      [][]byte          `json:"images"`
}

func (i item) value() penchant.Item {
	return penchant.Item{
		ID: i.ItemID, Title: i.Title, Description: i.Description, Categories: i.Categories, Price: i.Price,
		Unavailable: i.Unavailable, Attributes: i.Attributes, Images: i.Images,
	}
}

type options struct {
	PageSize     int               `json:"page_size"`
	Explain      bool              `json:"explain"`
	IncludeItems bool              `json:"include_items"`
	IncludeSeen  bool              `json:"include_seen"`
	Categories   []string          `json:"categories"`
	Attributes   map[string]string `json:"attributes"`
	MinPrice     *float64          `json:"min_price"`
	MaxPrice     *float64          `json:"max_price"`
	Exclude      []string          `json:"exclude"`
	Profile      string            `json:"profile"`
}

func (o options) value() penchant.ListOptions {
	return penchant.ListOptions{
		PageSize: o.PageSize, Explain: o.Explain, IncludeItems: o.IncludeItems, IncludeSeen: o.IncludeSeen,
		Categories: o.Categories, Attributes: o.Attributes, MinPrice: o.MinPrice, MaxPrice: o.MaxPrice,
		Exclude: o.Exclude, Profile: o.Profile,
	}
}

// reads says nothing where nothing was asked, so that the client's own tokens count.
func (r request) reads() []penchant.ReadOption {
	if r.MinFreshness == "" {
		return nil
	}
	return []penchant.ReadOption{penchant.MinFreshness(r.MinFreshness)}
}

func (r request) sends() []penchant.SendOption {
	var chosen []penchant.SendOption
	if r.Batch != nil {
		chosen = append(chosen, penchant.WithBatch(*r.Batch))
	}
	if r.Window != nil {
		chosen = append(chosen, penchant.WithWindow(*r.Window))
	}
	return chosen
}

func listOf(found []penchant.Recommendation) answer {
	order, list := make([]string, 0, len(found)), make([]answer, 0, len(found))
	for _, one := range found {
		reasons := make([]answer, 0, len(one.Reasons))
		for _, reason := range one.Reasons {
			reasons = append(reasons, answer{"kind": reason.Kind, "contribution": reason.Contribution})
		}
		told := answer{"item_id": one.ItemID, "score": one.Score, "reasons": reasons}
		if one.Item != nil {
			told["title"] = one.Item.Title
		}
		order, list = append(order, one.ItemID), append(list, told)
	}
	return answer{"order": order, "list": list}
}

func recommendationsOf(found *penchant.Recommendations, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	told := listOf(found.Items)
	told["attribution_token"] = found.AttributionToken
	return told, nil
}

func updateOf(found *penchant.Update) answer {
	told := listOf(found.Recommendations)
	told["sequence"], told["changed"], told["trigger"] = found.Sequence, found.Changed, nil
	if found.Trigger != nil {
		told["trigger"] = answer{
			"event_id": found.Trigger.EventID, "type": found.Trigger.Type, "item_id": found.Trigger.ItemID,
		}
	}
	return told
}

func acknowledgedOf(answers []penchant.Acknowledged) answer {
	told, token := make([]answer, 0, len(answers)), ""
	for _, one := range answers {
		entry := answer{"ordinal": one.Ordinal, "event_id": one.EventID, "unchanged": one.Unchanged, "error": nil}
		if one.Err != nil {
			entry["error"] = errorOf(one.Err)
		}
		if one.FreshnessToken != "" {
			token = one.FreshnessToken
		}
		told = append(told, entry)
	}
	return answer{"acknowledged": told, "freshness_token": token}
}
