package penchant

import "time"

// Recorded is an event that is durable.
type Recorded struct {
	// EventID is the event's id, made by the client when the event had none.
	EventID string
	// FreshnessToken proves the write: pass it by [MinFreshness] to read it.
	FreshnessToken string
	// Unchanged is true when the event was known already, or older than everything that the user's full ledger keeps.
	Unchanged bool
}

// Acknowledged is what became of one event of a stream.
type Acknowledged struct {
	// Ordinal is the event's position in what was handed over, from 0.
	Ordinal uint64
	// EventID is the event's id, made by the client when the event had none.
	EventID string
	// Unchanged is as in [Recorded].
	Unchanged bool
	// FreshnessToken proves the writes acknowledged so far; empty while there is none.
	FreshnessToken string
	// Err is why the event was refused; it changed nothing. nil: it was recorded.
	Err *Error
}

// Refused is an item that could not be placed; it changed nothing.
type Refused struct {
	// Index is the item's position in what was handed over, from 0.
	Index int
	// ItemID is its id as sent.
	ItemID string
	// Err says why.
	Err *Error
}

// UpsertResult is what became of the items of an upsert.
type UpsertResult struct {
	// Accepted counts items that are now in the catalogue as sent.
	Accepted int
	// Refused are the others.
	Refused []Refused
}

// DeleteResult is what became of the ids of a deletion.
type DeleteResult struct {
	// Deleted counts items that were there and are gone.
	Deleted int
	// Unknown are ids that were not in the catalogue; after a retry also ids that the first attempt deleted.
	Unknown []string
}

// Freshness is how fresh a reply is.
type Freshness struct {
	// AppliedThrough: every write whose token is at or before this one is in the reply. Comparable by the service only.
	AppliedThrough string
	// Age is how long ago that last write was applied; not negative.
	Age time.Duration
}

// ReasonKind is what kind of evidence a reason is.
type ReasonKind string

// The kinds of evidence.
const (
	// ReasonUnknown is a kind that this client is too old to know.
	ReasonUnknown ReasonKind = "unknown"
	// ReasonContent: the item's words are close to the event's item or words.
	ReasonContent ReasonKind = "content"
	// ReasonTogether: people who acted on the event's item also acted on this one.
	ReasonTogether ReasonKind = "together"
	// ReasonPopularity: the item is popular now.
	ReasonPopularity ReasonKind = "popularity"
	// ReasonDisliked: the item is close to something that the user disliked or hid.
	ReasonDisliked ReasonKind = "disliked"
	// ReasonLearned: a sequence model expects the item after everything that the user liked of late.
	ReasonLearned ReasonKind = "learned"
)

// Reason is one part of a score; the parts add up to the score (to 1e-4).
type Reason struct {
	// Kind is the kind of evidence.
	Kind ReasonKind
	// Contribution is its part of the score; negative when it speaks against the item.
	Contribution float64
	// EventID is the event behind it; empty for popularity and for what is learned.
	EventID string
	// EventType is that event's type.
	EventType string
	// ItemID is that event's item; empty when it had none.
	ItemID string
	// Text is that event's words, at most 200 characters; empty when the reason is not its words.
	Text string
}

// Recommendation is one item of a list.
type Recommendation struct {
	// ItemID is the item.
	ItemID string
	// Score is comparable within one list. Higher is better; may be negative.
	Score float64
	// Interest is which of the user's interests it serves most, from 0, the strongest.
	Interest int
	// Item is the stored item where [ListOptions.IncludeItems] was set, else nil.
	Item *Item
	// Reasons are why it has its score, strongest first, where [ListOptions.Explain] was set.
	Reasons []Reason
	// Propensity is the probability, 0–1, that the item stands in this list where the service explores; 0: it does not.
	Propensity float64
}

// Recommendations is one ranked list.
type Recommendations struct {
	// Items are the list, best first.
	Items []Recommendation
	// AttributionToken is to be sent back on events that come of this list; only [Client.Recommend] gives one.
	AttributionToken string
	// Freshness is how fresh the list is; only [Client.Recommend] says.
	Freshness Freshness
	// Profile that the list was scored with, as name@version; empty: the service's own settings.
	Profile string
	// Model is the encoder that the list was made with.
	Model string
}

// Trigger is the event that moved a list.
type Trigger struct {
	// EventID is its id.
	EventID string
	// Type is its type.
	Type string
	// ItemID is its item; empty when it had none.
	ItemID string
	// Text is its words, at most 200 characters.
	Text string
}

// Update is the whole current list of a stream; differences are already applied.
type Update struct {
	// Recommendations are the list, best first.
	Recommendations []Recommendation
	// Sequence counts the updates of a stream from 1, resumed ones included. It grows, with gaps where updates were passed
	// over.
	Sequence uint64
	// Changed is true when the items or their order differ from the update given before.
	Changed bool
	// Trigger is the newest event that the update, or one passed over before it, follows; nil when there was none.
	Trigger *Trigger
	// AttributionToken is to be sent back on events that come of this list.
	AttributionToken string
	// Freshness is how fresh the list is.
	Freshness Freshness
	// Profile that the list was scored with, as name@version; empty: the service's own settings.
	Profile string
	// Model is the encoder that the list was made with.
	Model string
}

// Evidence is an event and how much it counts now.
type Evidence struct {
	// EventID is the event.
	EventID string
	// Type is its type.
	Type string
	// ItemID is its item; empty when it had none.
	ItemID string
	// Text is its words, at most 200 characters.
	Text string
	// OccurredAt is when it happened, in UTC.
	OccurredAt time.Time
	// Weight is its part of all weights, 0–1 for interests and −1–0 for dislikes.
	Weight float64
}

// Interest is one direction of a user's taste.
type Interest struct {
	// Share is its part of all interests, 0–1; the shares add up to 1.
	Share float64
	// Evidence is the events it rests on, heaviest first.
	Evidence []Evidence
}

// Interests is what the service knows of a user.
type Interests struct {
	// Interests are the strongest first.
	Interests []Interest
	// Dislikes speak against items: disliked, hidden, rated low. Newest first.
	Dislikes []Evidence
	// EventCount is the number of events in the user's ledger.
	EventCount int
	// Freshness is how fresh the reply is.
	Freshness Freshness
}
