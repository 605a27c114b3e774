package penchant

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// maxPositions is the longest list that the contract allows.
const maxPositions = 100

// following is the list of one stream, across all its connections: it applies differences and knows how to go on. Pure.
//
// The service sends the whole order with every update, but details only of items that were not in the update before; so
// the details of the current order, and no others, are kept. Every update has a sequence number and a resume token. When
// a connection ends, opening asks for a stream that continues after the last update given, with its token and the newest
// options. The token knows what was shown before that update; what was shown since is told with it.
type following struct {
	start   *penchantv1.StreamStart
	details map[string]Recommendation
	order   []string
	// sequence is the number of the last update given; 0 before the first.
	sequence uint64
	// goingAway is true when the service said that it ends the current connection.
	goingAway bool
}

func newFollowing(start *penchantv1.StreamStart) *following { return &following{start: start} }

// resumable reports whether the stream can go on where it stopped.
func (f *following) resumable() bool { return f.start.GetResumeToken() != "" }

// opening returns how the next connection begins: a copy, since the original goes on changing.
func (f *following) opening() *penchantv1.StreamStart {
	f.goingAway = false
	return proto.CloneOf(f.start)
}

// introduction returns what to say first on the next connection of a stream in both directions.
func (f *following) introduction() *penchantv1.StreamRecommendationsRequest {
	return &penchantv1.StreamRecommendationsRequest{
		Message: &penchantv1.StreamRecommendationsRequest_Open{Open: f.opening()},
	}
}

// shown keeps in mind that the first so many positions of an update, 0 for the last one, are seen, and returns the
// message that says so.
func (f *following) shown(positions int, sequence uint64) (*penchantv1.StreamRecommendationsRequest, error) {
	if sequence == 0 {
		sequence = f.sequence
	}
	if sequence == 0 || sequence > f.sequence {
		return nil, invalid("sequence", fmt.Sprintf("update %d was not received, the last one is %d", sequence, f.sequence))
	}
	most := maxPositions
	if sequence == f.sequence {
		most = len(f.order)
	}
	if positions < 0 || positions > most {
		return nil, invalid("positions", fmt.Sprintf("%d is not within 0–%d", positions, most))
	}
	if sequence == f.sequence {
		f.start.ShownPositions = uint32(positions)
	}
	return &penchantv1.StreamRecommendationsRequest{Message: &penchantv1.StreamRecommendationsRequest_Shown_{
		Shown: &penchantv1.StreamRecommendationsRequest_Shown{Positions: uint32(positions), StreamSequence: sequence},
	}}, nil
}

// change keeps in mind what the list should look like from now on, and returns the message that says so.
func (f *following) change(options *penchantv1.ListOptions) *penchantv1.StreamRecommendationsRequest {
	f.start.Options = options
	f.start.ShownPositions = 0
	return &penchantv1.StreamRecommendationsRequest{
		Message: &penchantv1.StreamRecommendationsRequest_Change{Change: options},
	}
}

// merged returns one update in the place of two that follow each other: the later list, with the details of both. So what
// waits for a reader who is slow does not grow. It takes both messages over.
func merged(earlier, later *penchantv1.RecommendationUpdate) *penchantv1.RecommendationUpdate {
	if later.GetStreamSequence() <= earlier.GetStreamSequence() {
		// A repetition is passed over, but its token counts.
		earlier.ResumeToken, earlier.GoingAway = later.GetResumeToken(), later.GetGoingAway()
		return earlier
	}
	lacking := make(map[string]bool, len(later.GetOrder()))
	for _, itemID := range later.GetOrder() {
		lacking[itemID] = true
	}
	for _, one := range later.GetRecommendations() {
		delete(lacking, one.GetItemId())
	}
	for _, one := range earlier.GetRecommendations() {
		if lacking[one.GetItemId()] {
			later.Recommendations = append(later.Recommendations, one)
		}
	}
	if later.Trigger == nil {
		later.Trigger = earlier.GetTrigger()
	}
	return later
}

// accept returns the whole list after an update; nil when it was given before.
func (f *following) accept(message *penchantv1.RecommendationUpdate) (*Update, error) {
	f.goingAway = message.GetGoingAway()
	f.start.ResumeToken = message.GetResumeToken()
	f.start.MinFreshness = "" // the first update has waited for it
	if message.GetStreamSequence() <= f.sequence {
		return nil, nil
	}
	// A snapshot brings all details anew, so it needs no case of its own.
	sent := make(map[string]Recommendation, len(message.GetRecommendations()))
	for _, one := range message.GetRecommendations() {
		sent[one.GetItemId()] = decodeRecommendation(one)
	}
	details := make(map[string]Recommendation, len(message.GetOrder()))
	list := make([]Recommendation, 0, len(message.GetOrder()))
	for _, itemID := range message.GetOrder() {
		one, ok := sent[itemID]
		if !ok {
			one, ok = f.details[itemID]
		}
		if !ok {
			return nil, internal(fmt.Sprintf("update %d of the stream has no details of %q", message.GetStreamSequence(), itemID))
		}
		details[itemID] = one
		list = append(list, one)
	}
	changed := f.sequence == 0 || !slices.Equal(f.order, message.GetOrder())
	f.details = details
	f.order = message.GetOrder()
	f.start.ShownPositions = 0
	f.sequence = message.GetStreamSequence()
	return &Update{
		Recommendations:  list,
		Sequence:         f.sequence,
		Changed:          changed,
		Trigger:          decodeTrigger(message.GetTrigger()),
		AttributionToken: message.GetAttributionToken(),
		Freshness:        decodeFreshness(message.GetFreshness()),
		Profile:          message.GetProfile(),
		Model:            message.GetModel(),
	}, nil
}
