//! The list of one stream, across all its connections: applies differences and knows how to go on. Pure.
//!
//! The service sends the whole order with every update, but details only of items that were not in the update before; so
//! the details of the current order, and no others, are kept. Every update has a sequence number and a resume token. When
//! a connection ends, [`Following::opening`] asks for a stream that continues after the last update that came, with its
//! token and the newest options. The token knows what was shown before that update; what was shown since is told with it.

use std::collections::{HashMap, HashSet};

use crate::decode;
use crate::error::Error;
use crate::pb::penchant::v1 as pb;
use crate::pb::penchant::v1::stream_recommendations_request::{Message, Shown};
use crate::results::{Recommendation, Update};

/// Longest list that the contract allows.
const MOST_POSITIONS: usize = 100;

/// Returns two updates of one connection as one, as if the first had not been sent by itself.
pub(crate) fn merged(
    earlier: pb::RecommendationUpdate,
    mut later: pb::RecommendationUpdate,
) -> pb::RecommendationUpdate {
    if later.stream_sequence <= earlier.stream_sequence {
        // A repetition: nothing of it is news but how to go on.
        return pb::RecommendationUpdate { resume_token: later.resume_token, going_away: later.going_away, ..earlier };
    }
    let told: HashSet<&str> = later.recommendations.iter().map(|one| one.item_id.as_str()).collect();
    let listed: HashSet<&str> = later.order.iter().map(String::as_str).collect();
    let kept = |one: &pb::Recommendation| listed.contains(one.item_id.as_str()) && !told.contains(one.item_id.as_str());
    let older: Vec<_> = earlier.recommendations.into_iter().filter(kept).collect();
    later.recommendations.extend(older);
    later.trigger = later.trigger.or(earlier.trigger);
    later
}

/// What the client knows of one stream of recommendations.
#[derive(Debug)]
pub(crate) struct Following {
    start: pb::StreamStart,
    details: HashMap<String, Recommendation>,
    order: Vec<String>,
    /// Number of the last update that was read; 0 before the first.
    pub(crate) sequence: u64,
    /// True when the service said that it ends the current connection.
    pub(crate) going_away: bool,
}

impl Following {
    pub(crate) fn new(start: pb::StreamStart) -> Self {
        Self { start, details: HashMap::new(), order: Vec::new(), sequence: 0, going_away: false }
    }

    /// True when the stream can go on where it stopped.
    pub(crate) fn resumable(&self, waiting: Option<&pb::RecommendationUpdate>) -> bool {
        !waiting.map_or(&self.start.resume_token, |update| &update.resume_token).is_empty()
    }

    /// Returns how the next connection begins: after the last update that came, which may wait to be read.
    pub(crate) fn opening(&mut self, waiting: Option<&mut pb::RecommendationUpdate>) -> pb::StreamStart {
        self.going_away = false;
        let mut start = self.start.clone();
        if let Some(update) = waiting {
            update.going_away = false;
            start.resume_token = update.resume_token.clone();
            start.min_freshness.clear();
            start.shown_positions = 0; // nobody has seen any of it
        }
        start
    }

    /// Keeps in mind that the first so many positions of an update, 0 for the last one, are seen; returns the message that
    /// says so.
    pub(crate) fn shown(&mut self, positions: usize, sequence: u64) -> Result<Message, Error> {
        let sequence = if sequence == 0 { self.sequence } else { sequence };
        if sequence == 0 || sequence > self.sequence {
            let message = format!("update {sequence} was not received, the last one is {}", self.sequence);
            return Err(Error::invalid("sequence", message));
        }
        let most = if sequence == self.sequence { self.order.len() } else { MOST_POSITIONS };
        if positions > most {
            return Err(Error::invalid("positions", format_args!("{positions} is not within 0–{most}")));
        }
        let positions = positions as u32;
        if sequence == self.sequence {
            self.start.shown_positions = positions;
        }
        Ok(Message::Shown(Shown { positions, stream_sequence: sequence }))
    }

    /// Keeps in mind what the list should look like from now on; returns the message that says so.
    pub(crate) fn change(&mut self, options: pb::ListOptions) -> Message {
        self.start.options = Some(options.clone());
        self.start.shown_positions = 0;
        Message::Change(options)
    }

    /// Returns the whole list after an update; `None` when it was read before.
    pub(crate) fn accept(&mut self, message: pb::RecommendationUpdate) -> Result<Option<Update>, Error> {
        if message.stream_sequence == 0 {
            return Ok(None); // it carries nothing that this client knows
        }
        self.going_away = message.going_away;
        self.start.resume_token = message.resume_token;
        self.start.min_freshness.clear(); // the first update has waited for it
        if message.stream_sequence <= self.sequence {
            return Ok(None);
        }
        // A snapshot brings all details anew, so it needs no case of its own.
        for one in message.recommendations {
            self.details.insert(one.item_id.clone(), decode::recommendation(one));
        }
        let mut items = Vec::with_capacity(message.order.len());
        for item_id in &message.order {
            let Some(one) = self.details.get(item_id) else {
                let sequence = message.stream_sequence;
                return Err(Error::internal(format!("update {sequence} of the stream has no details of {item_id:?}")));
            };
            items.push(one.clone());
        }
        let listed: HashSet<&String> = message.order.iter().collect();
        self.details.retain(|item_id, _| listed.contains(item_id));
        let changed = self.sequence == 0 || self.order != message.order;
        self.order = message.order;
        self.start.shown_positions = 0;
        self.sequence = message.stream_sequence;
        Ok(Some(Update {
            items,
            sequence: self.sequence,
            changed,
            trigger: message.trigger.map(decode::trigger),
            attribution_token: message.attribution_token,
            freshness: decode::freshness(message.freshness),
            profile: message.profile,
            model: message.model,
        }))
    }
}

#[cfg(test)]
#[path = "tests/following.rs"]
mod tests;
