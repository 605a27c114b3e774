package penchant

import (
	penchantv1 "penchant.dev/go/penchant/v1"
)

var reasonKinds = map[penchantv1.Reason_Kind]ReasonKind{
	penchantv1.Reason_KIND_CONTENT:    ReasonContent,
	penchantv1.Reason_KIND_TOGETHER:   ReasonTogether,
	penchantv1.Reason_KIND_POPULARITY: ReasonPopularity,
	penchantv1.Reason_KIND_DISLIKED:   ReasonDisliked,
	penchantv1.Reason_KIND_LEARNED:    ReasonLearned,
}

func decodeItem(message *penchantv1.Item) *Item {
	if message == nil {
		return nil
	}
	return &Item{
		ID:          message.GetItemId(),
		Title:       message.GetTitle(),
		Description: message.GetDescription(),
		Categories:  message.GetCategories(),
		Price:       message.Price,
		Unavailable: message.GetUnavailable(),
		Attributes:  message.GetAttributes(),
		Images:      message.GetImages(),
	}
}

func decodeReason(message *penchantv1.Reason) Reason {
	kind, ok := reasonKinds[message.GetKind()]
	if !ok {
		kind = ReasonUnknown
	}
	return Reason{
		Kind:         kind,
		Contribution: message.GetContribution(),
		EventID:      message.GetEventId(),
		EventType:    message.GetEventType(),
		ItemID:       message.GetItemId(),
		Text:         message.GetText(),
	}
}

func decodeRecommendation(message *penchantv1.Recommendation) Recommendation {
	return Recommendation{
		ItemID:     message.GetItemId(),
		Score:      message.GetScore(),
		Interest:   int(message.GetInterest()),
		Item:       decodeItem(message.GetItem()),
		Reasons:    each(message.GetExplanation().GetReasons(), decodeReason),
		Propensity: message.GetPropensity(),
	}
}

func decodeFreshness(message *penchantv1.Freshness) Freshness {
	return Freshness{AppliedThrough: message.GetAppliedThrough(), Age: message.GetAge().AsDuration()}
}

func decodeTrigger(message *penchantv1.Trigger) *Trigger {
	if message == nil {
		return nil
	}
	return &Trigger{
		EventID: message.GetEventId(),
		Type:    message.GetType(),
		ItemID:  message.GetItemId(),
		Text:    message.GetText(),
	}
}

func decodeEvidence(message *penchantv1.Evidence) Evidence {
	return Evidence{
		EventID:    message.GetEventId(),
		Type:       message.GetType(),
		ItemID:     message.GetItemId(),
		Text:       message.GetText(),
		OccurredAt: message.GetOccurredAt().AsTime(),
		Weight:     message.GetWeight(),
	}
}

func decodeInterests(message *penchantv1.GetInterestsResponse) *Interests {
	return &Interests{
		Interests: each(message.GetInterests(), func(one *penchantv1.Interest) Interest {
			return Interest{Share: one.GetShare(), Evidence: each(one.GetEvidence(), decodeEvidence)}
		}),
		Dislikes:   each(message.GetDislikes(), decodeEvidence),
		EventCount: int(message.GetEventCount()),
		Freshness:  decodeFreshness(message.GetFreshness()),
	}
}

// each keeps nothing as nil, so that what was not asked for is absent.
func each[From, To any](messages []From, decode func(From) To) []To {
	if len(messages) == 0 {
		return nil
	}
	values := make([]To, len(messages))
	for at, message := range messages {
		values[at] = decode(message)
	}
	return values
}

func decodeEvent(message *penchantv1.Event) Event {
	event := Event{
		ID:               message.GetEventId(),
		UserID:           message.GetUserId(),
		Type:             message.GetType(),
		ItemID:           message.GetItemId(),
		Text:             message.GetText(),
		Value:            message.Value,
		Surface:          message.GetSurface(),
		AttributionToken: message.GetAttributionToken(),
	}
	if message.GetOccurredAt() != nil {
		event.OccurredAt = message.GetOccurredAt().AsTime()
	}
	return event
}
