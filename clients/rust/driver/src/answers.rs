//! What a line of output says.

use penchant::{Acknowledged, Error, Recommendation, Recommendations, Update};
use serde_json::{Value, json};

/// Why there is no answer.
pub(crate) enum Failure {
    /// The client says so.
    Client(Error),
    /// The driver does not know what was asked.
    Unsupported(String),
    /// No update came in time.
    NoUpdate,
    /// The driver itself failed.
    Driver(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl Failure {
    pub(crate) fn driver(why: impl ToString) -> Self {
        Self::Driver(why.to_string())
    }

    pub(crate) fn told(&self) -> Value {
        let own = |kind: &str, message: &str| json!({ "kind": kind, "reason": "", "field": "", "message": message, "retry_after": null });
        match self {
            Self::Client(error) => error_of(error),
            Self::Unsupported(what) => own("Unsupported", what),
            Self::NoUpdate => own("NoUpdate", ""),
            Self::Driver(why) => own("Driver", why),
        }
    }
}

pub(crate) fn error_of(error: &Error) -> Value {
    json!({
        "kind": error.kind().to_string(),
        "reason": error.reason(),
        "field": error.field(),
        "message": error.message(),
        "retry_after": error.retry_after().map(|wait| wait.as_secs_f64() * 1e3),
    })
}

pub(crate) fn list_of(items: &[Recommendation]) -> Value {
    let order: Vec<_> = items.iter().map(|one| &one.item_id).collect();
    let list: Vec<_> = items.iter().map(recommendation_of).collect();
    json!({ "order": order, "list": list })
}

fn recommendation_of(one: &Recommendation) -> Value {
    let reason_of = |reason: &penchant::Reason| {
        let kind = format!("{:?}", reason.kind).to_lowercase();
        json!({ "kind": kind, "contribution": reason.contribution })
    };
    let reasons: Vec<_> = one.reasons.iter().map(reason_of).collect();
    let mut told = json!({ "item_id": one.item_id, "score": one.score, "reasons": reasons });
    if let Some(item) = &one.item {
        told["title"] = json!(item.title);
    }
    told
}

pub(crate) fn recommendations_of(found: &Recommendations) -> Value {
    let mut told = list_of(&found.items);
    told["attribution_token"] = json!(found.attribution_token);
    told
}

pub(crate) fn update_of(found: &Update) -> Value {
    let mut told = list_of(&found.items);
    told["sequence"] = json!(found.sequence);
    told["changed"] = json!(found.changed);
    told["trigger"] = match &found.trigger {
        Some(one) => json!({ "event_id": one.event_id, "type": one.event_type, "item_id": one.item_id }),
        None => Value::Null,
    };
    told
}

pub(crate) fn acknowledged_of(answers: &[Acknowledged]) -> Value {
    let told = |one: &Acknowledged| {
        json!({
            "ordinal": one.ordinal,
            "event_id": one.event_id,
            "unchanged": one.unchanged,
            "error": one.error.as_ref().map(error_of),
        })
    };
    let token = answers.iter().rev().map(|one| one.freshness_token.as_str()).find(|token| !token.is_empty());
    json!({
        "acknowledged": answers.iter().map(told).collect::<Vec<_>>(),
        "freshness_token": token.unwrap_or_default(),
    })
}
