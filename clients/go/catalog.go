package penchant

import (
	"context"
	"iter"
	"slices"

	penchantv1 "penchant.dev/go/penchant/v1"
)

const (
	// deleteBatch is the most ids that the contract allows in one request.
	deleteBatch = 1_000
	// upsertsAtOnce is how many full requests of items are on their way at once.
	upsertsAtOnce = 4
)

// UpsertItems adds items or replaces those with the same id; refused ones are reported and stop nothing. Sending resumes
// as that of a [Recorder] does; after an error some items may be in the catalogue, and sending all of them again is safe.
func (c *Client) UpsertItems(ctx context.Context, items []Item, options ...SendOption) (*UpsertResult, error) {
	return c.UpsertItemsFrom(ctx, slices.Values(items), options...)
}

// UpsertItemsFrom is [Client.UpsertItems] for a catalogue that is larger than one wants to hold at once.
// An item's slices and maps are read when it is sent: each item needs its own.
func (c *Client) UpsertItemsFrom(
	ctx context.Context, items iter.Seq[Item], options ...SendOption,
) (*UpsertResult, error) {
	chosen := c.limits(options)
	chosen.window = chosen.batch * upsertsAtOnce
	total := &UpsertResult{}
	sent, err := newItemDelivery(c, chosen)
	if err != nil {
		return nil, err
	}
	for result, err := range deliverAll(ctx, sent, items, encodeItem) {
		if err != nil {
			return nil, err
		}
		total.Accepted += result.Accepted
		total.Refused = append(total.Refused, result.Refused...)
	}
	return total, nil
}

// DeleteItems removes items; users' events on them count again if an item comes back.
func (c *Client) DeleteItems(ctx context.Context, itemIDs ...string) (*DeleteResult, error) {
	total := &DeleteResult{}
	for chunk := range slices.Chunk(itemIDs, deleteBatch) {
		response, err := ask(ctx, c, c.stubs.Catalog.DeleteItems, &penchantv1.DeleteItemsRequest{ItemIds: chunk})
		if err != nil {
			return nil, err
		}
		total.Deleted += int(response.GetDeleted())
		total.Unknown = append(total.Unknown, response.GetUnknownItemIds()...)
	}
	return total, nil
}

// GetItem returns the item as stored; [ErrNotFound] when the catalogue does not have it.
func (c *Client) GetItem(ctx context.Context, itemID string) (*Item, error) {
	response, err := ask(ctx, c, c.stubs.Catalog.GetItem, &penchantv1.GetItemRequest{ItemId: itemID})
	if err != nil {
		return nil, err
	}
	return decodeItem(response.GetItem()), nil
}

// ListItems yields every item of the catalogue in a fixed order, asking for the next page when it is needed. An error
// comes with a nil item and is the last.
func (c *Client) ListItems(ctx context.Context) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		request := &penchantv1.ListItemsRequest{}
		for {
			response, err := ask(ctx, c, c.stubs.Catalog.ListItems, request)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range response.GetItems() {
				if !yield(decodeItem(item), nil) {
					return
				}
			}
			if response.GetNextPageToken() == "" {
				return
			}
			request.PageToken = response.GetNextPageToken()
		}
	}
}
