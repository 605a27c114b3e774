package penchant

import "time"

// Event is one thing that a user did or said. Give ItemID, Text or both.
type Event struct {
	// ID is unique per user, 0–128 bytes; empty: the client makes one, so that sending twice counts once.
	ID string
	// UserID says who, 1–128 bytes. An anonymous visitor's session id serves as well.
	UserID string
	// Type says what happened, for example view, purchase, search, hide: 1–64 bytes.
	Type string
	// ItemID is the item acted on, 0–128 bytes; it must be in the catalogue.
	ItemID string
	// Text is the words searched or written, in any language: 0–8,192 bytes of UTF-8.
	Text string
	// Value is stars (0–5), seconds or quantity, by type; nil counts with the type's full weight.
	Value *float64
	// OccurredAt is when it happened; zero: when the service receives it. Kept to the millisecond.
	OccurredAt time.Time
	// Surface is where in the product it happened, for example home: 0–64 bytes.
	Surface string
	// AttributionToken is that of the reply which showed the item, 0–512 bytes.
	AttributionToken string
}

// Item is something that can be recommended. Give Title, Description or both: it is understood by its words, and by
// Images where a model sees.
type Item struct {
	// ID is 1–128 bytes.
	ID string
	// Title is 0–1,024 bytes of UTF-8, any language.
	Title string
	// Description is 0–16,384 bytes of UTF-8, any language.
	Description string
	// Categories are names to filter by, at most 32, each 1–128 bytes.
	Categories []string
	// Price is in the shop's own currency, 0–1e12; nil: it has none.
	Price *float64
	// Unavailable hides the item from recommendations without forgetting it.
	Unavailable bool
	// Attributes are exact-match filters and what a page needs to show the item: at most 32, keys 1–64 bytes of
	// [a-z0-9_], values 0–1,024 bytes.
	Attributes map[string]string
	// Images are thumbnails: at most 4 files of JPEG, PNG or WebP, each at most 65,536 bytes and 1,024 pixels a side.
	// The service keeps them and does not send them back.
	Images [][]byte
}

// ListOptions says what a list should look like. The zero value asks for ten items of any kind.
type ListOptions struct {
	// PageSize is the number of items wanted, 1–100; 0 means 10. Fewer come when the filter leaves fewer.
	PageSize int
	// Categories leaves items in any of these, at most 32; empty: all.
	Categories []string
	// Attributes leaves items with all of these values, at most 8.
	Attributes map[string]string
	// MinPrice is the lowest price, inclusive, 0–1e12; an item without a price does not match. nil: no limit.
	MinPrice *float64
	// MaxPrice is the highest price, inclusive, 0–1e12; an item without a price does not match. nil: no limit.
	MaxPrice *float64
	// Exclude names items that never come, at most 1,000.
	Exclude []string
	// IncludeSeen allows items that the user has acted on; by default they are left out.
	IncludeSeen bool
	// IncludeItems adds the stored item to every recommendation.
	IncludeItems bool
	// Explain adds its reasons to every recommendation.
	Explain bool
	// Profile names the profile to score with, one of those that the service has, 0–64 bytes; empty: its default.
	// [Client.Search] scores by meaning alone.
	Profile string
}

// ReadOption is what may be said about one read.
type ReadOption func(*reading)

type reading struct {
	minFreshness string
	surface      string
}

// MinFreshness makes the reply wait, within the deadline, until the write with this token is in it: the
// [Recorded.FreshnessToken] of an event. Empty: does not wait. It overrules [WithReadYourWrites].
func MinFreshness(token string) ReadOption {
	return func(r *reading) { r.minFreshness = token }
}

// Surface says where the list will be shown, for attribution: 0–64 bytes. [Client.Interests] has no use for it.
func Surface(name string) ReadOption {
	return func(r *reading) { r.surface = name }
}
