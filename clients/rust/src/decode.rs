//! From messages to the client's values. What the client does not know is passed over.

use std::time::{Duration, SystemTime};

use crate::model::{Event, Item};
use crate::pb::penchant::v1 as pb;
use crate::pb::penchant::v1::reason::Kind;
use crate::results::{
    Evidence, Freshness, Interest, Interests, Reason, ReasonKind, Recommendation, Recommendations, Trigger,
};

/// Decodes each of several messages.
pub(crate) fn each<From, To>(messages: Vec<From>, decode: impl Fn(From) -> To) -> Vec<To> {
    messages.into_iter().map(decode).collect()
}

pub(crate) fn event(message: pb::Event) -> Event {
    Event {
        event_id: message.event_id,
        user_id: message.user_id,
        event_type: message.r#type,
        item_id: message.item_id,
        text: message.text,
        value: message.value,
        occurred_at: message.occurred_at.map(time),
        surface: message.surface,
        attribution_token: message.attribution_token,
    }
}

pub(crate) fn item(message: pb::Item) -> Item {
    Item {
        item_id: message.item_id,
        title: message.title,
        description: message.description,
        categories: message.categories,
        price: message.price,
        unavailable: message.unavailable,
        attributes: message.attributes,
        images: message.images,
    }
}

fn reason(message: pb::Reason) -> Reason {
    Reason {
        kind: match Kind::try_from(message.kind) {
            Ok(Kind::Content) => ReasonKind::Content,
            Ok(Kind::Together) => ReasonKind::Together,
            Ok(Kind::Popularity) => ReasonKind::Popularity,
            Ok(Kind::Disliked) => ReasonKind::Disliked,
            Ok(Kind::Learned) => ReasonKind::Learned,
            Ok(Kind::Unspecified) | Err(_) => ReasonKind::Unknown,
        },
        contribution: message.contribution,
        event_id: message.event_id,
        event_type: message.event_type,
        item_id: message.item_id,
        text: message.text,
    }
}

pub(crate) fn recommendation(message: pb::Recommendation) -> Recommendation {
    Recommendation {
        item_id: message.item_id,
        score: message.score,
        interest: message.interest,
        item: message.item.map(item),
        reasons: each(message.explanation.unwrap_or_default().reasons, reason),
        propensity: message.propensity,
    }
}

pub(crate) fn recommendations(message: pb::RecommendResponse) -> Recommendations {
    Recommendations {
        items: each(message.recommendations, recommendation),
        attribution_token: message.attribution_token,
        freshness: freshness(message.freshness),
        profile: message.profile,
        model: message.model,
    }
}

pub(crate) fn freshness(message: Option<pb::Freshness>) -> Freshness {
    let message = message.unwrap_or_default();
    let age = message.age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
    Freshness { applied_through: message.applied_through, age }
}

pub(crate) fn trigger(message: pb::Trigger) -> Trigger {
    Trigger { event_id: message.event_id, event_type: message.r#type, item_id: message.item_id, text: message.text }
}

fn evidence(message: pb::Evidence) -> Evidence {
    Evidence {
        event_id: message.event_id,
        event_type: message.r#type,
        item_id: message.item_id,
        text: message.text,
        occurred_at: time(message.occurred_at.unwrap_or_default()),
        weight: message.weight,
    }
}

pub(crate) fn interests(message: pb::GetInterestsResponse) -> Interests {
    Interests {
        interests: each(message.interests, |one| Interest { share: one.share, evidence: each(one.evidence, evidence) }),
        dislikes: each(message.dislikes, evidence),
        event_count: message.event_count,
        freshness: freshness(message.freshness),
    }
}

/// A time that this machine cannot hold becomes 1970.
fn time(message: prost_types::Timestamp) -> SystemTime {
    SystemTime::try_from(message).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
#[path = "tests/decode.rs"]
mod tests;
