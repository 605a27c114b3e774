//! Verbs with one answer.

use std::fs::read;
use std::time::Duration;

use penchant::{Client, Tls};
use serde_json::{Value, json};

use crate::Driver;
use crate::answers::{Failure, error_of, recommendations_of};
use crate::requests::Request;

impl Driver {
    pub(crate) fn connect(&mut self, asked: Request) -> Result<Value, Failure> {
        let mut builder = Client::builder(asked.target).read_your_writes(asked.read_your_writes);
        if let Some(timeout) = asked.timeout {
            builder = builder.timeout(Duration::from_millis(timeout));
        }
        if let Some(retries) = asked.retries {
            builder = builder.retries(retries);
        }
        if let Some(key) = asked.api_key.filter(|key| !key.is_empty()) {
            builder = builder.api_key(key);
        }
        if let Some(tls) = asked.tls.as_ref().and_then(tls_of).transpose()? {
            builder = builder.tls(tls);
        }
        self.clients.insert(asked.client, builder.build()?);
        Ok(json!({}))
    }

    pub(crate) async fn close(&mut self, asked: Request) -> Result<Value, Failure> {
        self.client(&asked)?.close().await?;
        Ok(json!({}))
    }

    pub(crate) async fn record(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let event = asked.event.take().unwrap_or_default().value();
        let found = self.client(&asked)?.record(event).await?;
        Ok(json!({
            "event_id": found.event_id,
            "freshness_token": found.freshness_token,
            "unchanged": found.unchanged,
        }))
    }

    pub(crate) async fn upsert(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let items = asked.items.drain(..).map(|one| one.value()).collect::<Result<Vec<_>, _>>()?;
        let found = self.client(&asked)?.upsert_items_from(tokio_stream::iter(items), asked.sends()).await?;
        let refused_of = |one: &penchant::Refused| json!({ "index": one.index, "item_id": one.item_id, "error": error_of(&one.error) });
        let refused: Vec<_> = found.refused.iter().map(refused_of).collect();
        Ok(json!({ "accepted": found.accepted, "refused": refused }))
    }

    pub(crate) async fn delete(&mut self, asked: Request) -> Result<Value, Failure> {
        let found = self.client(&asked)?.delete_items(&asked.item_ids).await?;
        Ok(json!({ "deleted": found.deleted, "unknown": found.unknown_item_ids }))
    }

    pub(crate) async fn recommend(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let reading = asked.reading();
        let found = self.client(&asked)?.recommend(&asked.user_id, reading).await?;
        Ok(recommendations_of(&found))
    }

    pub(crate) async fn similar(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let options = std::mem::take(&mut asked.options).value();
        let found = self.client(&asked)?.similar(&asked.item_id, options).await?;
        Ok(recommendations_of(&found))
    }

    pub(crate) async fn search(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let options = std::mem::take(&mut asked.options).value();
        let found = self.client(&asked)?.search(&asked.query, options).await?;
        Ok(recommendations_of(&found))
    }

    pub(crate) async fn interests(&mut self, asked: Request) -> Result<Value, Failure> {
        let found = self.client(&asked)?.interests_after(&asked.user_id, &asked.min_freshness).await?;
        Ok(json!({
            "event_count": found.event_count,
            "interests": found.interests.len(),
            "dislikes": found.dislikes.len(),
        }))
    }
}

/// Reads true, or the paths of files.
fn tls_of(told: &Value) -> Option<Result<Tls, Failure>> {
    let file = |name: &str| told[name].as_str().map(|path| read(path).map_err(Failure::driver)).transpose();
    match told {
        Value::Bool(true) => Some(Ok(Tls::system())),
        Value::Object(_) => Some((|| {
            let trusting = file("ca")?.map_or_else(Tls::system, Tls::ca);
            Ok(match (file("cert")?, file("key")?) {
                (Some(certificate), Some(key)) => trusting.identity(certificate, key),
                _ => trusting,
            })
        })()),
        _ => None,
    }
}
