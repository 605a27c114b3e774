package penchant

import (
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// encodeEvent gives the event an id in any case: the id is what makes it safe to send twice.
func encodeEvent(event Event) (*penchantv1.Event, error) {
	message := &penchantv1.Event{
		EventId:          event.ID,
		UserId:           event.UserID,
		Type:             event.Type,
		ItemId:           event.ItemID,
		Text:             event.Text,
		Value:            copied(event.Value),
		Surface:          event.Surface,
		AttributionToken: event.AttributionToken,
	}
	if message.EventId == "" {
		message.EventId = rand.Text()
	}
	if !event.OccurredAt.IsZero() {
		message.OccurredAt = timestamppb.New(event.OccurredAt)
	}
	// What no request can carry would only be found out in the middle of a stream, to the harm of all else on it.
	if size := proto.Size(message); size > requestBytes {
		return nil, invalid("event", fmt.Sprintf("%d bytes, a request takes at most %d", size, requestBytes))
	}
	return message, readable(
		"event.event_id", message.EventId, "event.user_id", event.UserID, "event.type", event.Type, "event.item_id", event.ItemID,
		"event.text", event.Text, "event.surface", event.Surface, "event.attribution_token", event.AttributionToken,
	)
}

func encodeItem(item Item) (*penchantv1.Item, error) {
	message := &penchantv1.Item{
		ItemId:      item.ID,
		Title:       item.Title,
		Description: item.Description,
		Categories:  item.Categories,
		Price:       copied(item.Price),
		Unavailable: item.Unavailable,
		Attributes:  item.Attributes,
		Images:      item.Images,
	}
	if err := readable("item.item_id", item.ID, "item.title", item.Title, "item.description", item.Description); err != nil {
		return nil, err
	}
	for _, category := range item.Categories {
		if err := readable("item.categories", category); err != nil {
			return nil, err
		}
	}
	for key, value := range item.Attributes {
		if err := readable("item.attributes", key, "item.attributes", value); err != nil {
			return nil, err
		}
	}
	return message, nil
}

// copied keeps what waits to be sent apart from the caller's variable.
func copied(number *float64) *float64 {
	if number == nil {
		return nil
	}
	return new(*number)
}

// readable takes names of fields and their values by turns.
func readable(namesAndValues ...string) error {
	for at := 0; at < len(namesAndValues); at += 2 {
		if !utf8.ValidString(namesAndValues[at+1]) {
			return invalid(namesAndValues[at], "is not UTF-8")
		}
	}
	return nil
}

// encodeOptions copies everything: a stream says it again on every new connection.
func encodeOptions(options ListOptions) *penchantv1.ListOptions {
	return &penchantv1.ListOptions{
		// What no message can carry becomes the largest number that one can: the service refuses that by name.
		PageSize: uint32(min(uint(options.PageSize), math.MaxUint32)),
		Filter: &penchantv1.Filter{
			Categories:     slices.Clone(options.Categories),
			Attributes:     maps.Clone(options.Attributes),
			MinPrice:       copied(options.MinPrice),
			MaxPrice:       copied(options.MaxPrice),
			ExcludeItemIds: slices.Clone(options.Exclude),
			IncludeSeen:    options.IncludeSeen,
		},
		IncludeItems: options.IncludeItems,
		Explain:      options.Explain,
		Profile:      options.Profile,
	}
}
