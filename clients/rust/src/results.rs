//! What comes back.

use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::model::Item;

/// An event that is durable.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// The event's id, made by the client when the event had none.
    pub event_id: String,
    /// Proves the write: pass it by [`Reading::min_freshness`](crate::Reading::min_freshness) to read it.
    pub freshness_token: String,
    /// True when the event was known already, or older than everything that the user's full ledger keeps.
    pub unchanged: bool,
}

/// What became of one event of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Acknowledged {
    /// The event's position in what was handed over, from 0.
    pub ordinal: u64,
    /// The event's id, made by the client when the event had none.
    pub event_id: String,
    /// As in [`Recorded`].
    pub unchanged: bool,
    /// Proves the writes acknowledged so far; empty while there is none.
    pub freshness_token: String,
    /// Why the event was refused; it changed nothing. `None`: it was recorded.
    pub error: Option<Error>,
}

/// An item that could not be placed; it changed nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// The item's position in what was handed over, from 0.
    pub index: u64,
    /// Its id as sent.
    pub item_id: String,
    /// Why.
    pub error: Error,
}

/// What became of the items of an upsert.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpsertResult {
    /// Items that are now in the catalogue as sent.
    pub accepted: u64,
    /// The others.
    pub refused: Vec<Refused>,
}

/// What became of the ids of a deletion.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DeleteResult {
    /// Items that were there and are gone.
    pub deleted: u64,
    /// Ids that were not in the catalogue; after a retry also ids that the first attempt deleted.
    pub unknown_item_ids: Vec<String>,
}

/// How fresh a reply is.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Freshness {
    /// Every write whose token is at or before this one is in the reply. Comparable by the service only.
    pub applied_through: String,
    /// How long ago that last write was applied.
    pub age: Duration,
}

/// What kind of evidence a reason is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReasonKind {
    /// A kind that this client is too old to know.
    #[default]
    Unknown,
    /// The item's words are close to the event's item or words.
    Content,
    /// People who acted on the event's item also acted on this one.
    Together,
    /// The item is popular now.
    Popularity,
    /// The item is close to something that the user disliked or hid.
    Disliked,
    /// A sequence model expects the item after everything that the user liked of late.
    Learned,
}

/// One part of a score; the parts add up to the score (to 1e-4).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reason {
    /// The kind of evidence.
    pub kind: ReasonKind,
    /// Its part of the score; negative when it speaks against the item.
    pub contribution: f64,
    /// The event behind it; empty for popularity and for what is learned.
    pub event_id: String,
    /// That event's type.
    pub event_type: String,
    /// That event's item; empty when it had none.
    pub item_id: String,
    /// That event's words, at most 200 characters; empty when the reason is not its words.
    pub text: String,
}

/// One item of a list.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recommendation {
    /// The item.
    pub item_id: String,
    /// Comparable within one list. Higher is better; may be negative.
    pub score: f64,
    /// Which of the user's interests it serves most, from 0, the strongest.
    pub interest: u32,
    /// The stored item, where [`ListOptions::include_items`](crate::ListOptions::include_items) was set.
    pub item: Option<Item>,
    /// Why it has its score, strongest first, where [`ListOptions::explain`](crate::ListOptions::explain) was set.
    pub reasons: Vec<Reason>,
    /// The probability, 0–1, that the item stands in this list where the service explores; 0: it does not.
    pub propensity: f64,
}

/// One ranked list.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recommendations {
    /// The list, best first.
    pub items: Vec<Recommendation>,
    /// To be sent back on events that come of this list; only [`Client::recommend`](crate::Client::recommend) gives one.
    pub attribution_token: String,
    /// How fresh the list is; only [`Client::recommend`](crate::Client::recommend) says.
    pub freshness: Freshness,
    /// Profile that the list was scored with, as name@version; empty: the service's own settings.
    pub profile: String,
    /// Encoder that the list was made with.
    pub model: String,
}

/// The event that moved a list.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Trigger {
    /// Its id.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// Its item; empty when it had none.
    pub item_id: String,
    /// Its words, at most 200 characters.
    pub text: String,
}

/// The whole current list of a stream; differences are already applied.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Update {
    /// The list, best first.
    pub items: Vec<Recommendation>,
    /// Counts the updates of a stream from 1, resumed ones included. It grows, with gaps where updates were passed over.
    pub sequence: u64,
    /// True when the items or their order differ from the update that was read before.
    pub changed: bool,
    /// The newest event that the update follows; `None` when it was not an event.
    pub trigger: Option<Trigger>,
    /// To be sent back on events that come of this list.
    pub attribution_token: String,
    /// How fresh the list is.
    pub freshness: Freshness,
    /// Profile that the list was scored with, as name@version; empty: the service's own settings.
    pub profile: String,
    /// Encoder that the list was made with.
    pub model: String,
}

/// An event and how much it counts now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// The event.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// Its item; empty when it had none.
    pub item_id: String,
    /// Its words, at most 200 characters.
    pub text: String,
    /// When it happened.
    pub occurred_at: SystemTime,
    /// Its part of all weights, 0–1 for interests and −1–0 for dislikes.
    pub weight: f64,
}

/// One direction of a user's taste.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Interest {
    /// Its part of all interests, 0–1; the shares add up to 1.
    pub share: f64,
    /// The events it rests on, heaviest first.
    pub evidence: Vec<Evidence>,
}

/// What the service knows of a user.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Interests {
    /// The strongest first.
    pub interests: Vec<Interest>,
    /// What speaks against items: disliked, hidden, rated low. Newest first.
    pub dislikes: Vec<Evidence>,
    /// Events in the user's ledger.
    pub event_count: u32,
    /// How fresh the reply is.
    pub freshness: Freshness,
}
