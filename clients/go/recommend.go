package penchant

import (
	"context"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// Recommend returns one ranked list for a user, 1–128 bytes; for a user without events, what is popular now.
func (c *Client) Recommend(
	ctx context.Context, userID string, options ListOptions, reads ...ReadOption,
) (*Recommendations, error) {
	chosen := c.reading(userID, reads)
	response, err := ask(ctx, c, c.stubs.Recommendations.Recommend, &penchantv1.RecommendRequest{
		UserId:       userID,
		Options:      encodeOptions(options),
		Surface:      chosen.surface,
		MinFreshness: chosen.minFreshness,
	})
	if err != nil {
		return nil, err
	}
	return &Recommendations{
		Items:            each(response.GetRecommendations(), decodeRecommendation),
		AttributionToken: response.GetAttributionToken(),
		Freshness:        decodeFreshness(response.GetFreshness()),
		Profile:          response.GetProfile(),
		Model:            response.GetModel(),
	}, nil
}

// Similar returns items like one item, by its words and by what people went on to; [ErrNotFound] when the catalogue does
// not have it.
func (c *Client) Similar(ctx context.Context, itemID string, options ListOptions) (*Recommendations, error) {
	response, err := ask(ctx, c, c.stubs.Recommendations.SimilarItems, &penchantv1.SimilarItemsRequest{
		ItemId:  itemID,
		Options: encodeOptions(options),
	})
	if err != nil {
		return nil, err
	}
	return &Recommendations{
		Items:   each(response.GetRecommendations(), decodeRecommendation),
		Profile: response.GetProfile(),
		Model:   response.GetModel(),
	}, nil
}

// Search returns items by meaning, closest first, for words in any language: 1–8,192 bytes of UTF-8.
func (c *Client) Search(ctx context.Context, query string, options ListOptions) (*Recommendations, error) {
	response, err := ask(ctx, c, c.stubs.Recommendations.SearchItems, &penchantv1.SearchItemsRequest{
		Query:   query,
		Options: encodeOptions(options),
	})
	if err != nil {
		return nil, err
	}
	return &Recommendations{
		Items: each(response.GetRecommendations(), decodeRecommendation),
		Model: response.GetModel(),
	}, nil
}

// Interests returns the user's interests and the events they rest on; a user never heard of has none.
func (c *Client) Interests(ctx context.Context, userID string, reads ...ReadOption) (*Interests, error) {
	response, err := ask(ctx, c, c.stubs.Users.GetInterests, &penchantv1.GetInterestsRequest{
		UserId:       userID,
		MinFreshness: c.reading(userID, reads).minFreshness,
	})
	if err != nil {
		return nil, err
	}
	return decodeInterests(response), nil
}
