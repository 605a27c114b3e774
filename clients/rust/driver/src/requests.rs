//! What a line of input says; each verb takes what it knows of it.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use penchant::{Event, Item, ListOptions, Reading, SendOptions};
use serde::Deserialize;
use serde_json::Value;

use crate::answers::Failure;

#[derive(Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "do")]
    pub(crate) verb: String,
    #[serde(default = "main")]
    pub(crate) client: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) target: String,
    pub(crate) timeout: Option<u64>,
    pub(crate) retries: Option<u32>,
    pub(crate) api_key: Option<String>,
    pub(crate) tls: Option<Value>,
    #[serde(default)]
    pub(crate) read_your_writes: bool,
    pub(crate) event: Option<ToldEvent>,
    #[serde(default)]
    pub(crate) events: Vec<ToldEvent>,
    #[serde(default)]
    pub(crate) items: Vec<ToldItem>,
    #[serde(default)]
    pub(crate) item_ids: Vec<String>,
    #[serde(default)]
    pub(crate) item_id: String,
    #[serde(default)]
    pub(crate) user_id: String,
    #[serde(default)]
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) options: ToldOptions,
    #[serde(default)]
    pub(crate) min_freshness: String,
    pub(crate) batch: Option<usize>,
    pub(crate) window: Option<usize>,
    #[serde(default)]
    pub(crate) watch: bool,
    #[serde(default)]
    pub(crate) lazy: bool,
    #[serde(default)]
    pub(crate) within: u64,
    #[serde(default)]
    pub(crate) after: u64,
    #[serde(default)]
    pub(crate) positions: usize,
    #[serde(default)]
    pub(crate) sequence: u64,
    #[serde(default)]
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) count: usize,
    pub(crate) recommend: Option<Value>,
}

fn main() -> String {
    "main".to_owned()
}

impl Request {
    pub(crate) fn reading(&mut self) -> Reading {
        std::mem::take(&mut self.options).value().min_freshness(std::mem::take(&mut self.min_freshness))
    }

    pub(crate) fn sends(&self) -> SendOptions {
        let usual = SendOptions::new();
        usual.batch(self.batch.unwrap_or(usual.batch)).window(self.window.unwrap_or(usual.window))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToldEvent {
    user_id: String,
    r#type: String,
    event_id: String,
    item_id: String,
    text: String,
    value: Option<f64>,
    occurred_at: Option<u64>,
    surface: String,
    attribution_token: String,
}

impl ToldEvent {
    pub(crate) fn value(self) -> Event {
        Event {
            event_id: self.event_id,
            user_id: self.user_id,
            event_type: self.r#type,
            item_id: self.item_id,
            text: self.text,
            value: self.value,
            occurred_at: self.occurred_at.map(|at| UNIX_EPOCH + Duration::from_millis(at)),
            surface: self.surface,
            attribution_token: self.attribution_token,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToldItem {
    item_id: String,
    title: String,
    description: String,
    categories: Vec<String>,
    price: Option<f64>,
    unavailable: bool,
    attributes: HashMap<String, String>,
    images: Vec<String>,
}

impl ToldItem {
    pub(crate) fn value(self) -> Result<Item, Failure> {
        let decoded = |image: &String| BASE64_STANDARD.decode(image).map_err(Failure::driver);
        Ok(Item {
            images: self.images.iter().map(decoded).collect::<Result<_, _>>()?,
            item_id: self.item_id,
            title: self.title,
            description: self.description,
            categories: self.categories,
            price: self.price,
            unavailable: self.unavailable,
            attributes: self.attributes,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToldOptions {
    page_size: u32,
    explain: bool,
    include_items: bool,
    include_seen: bool,
    categories: Vec<String>,
    attributes: HashMap<String, String>,
    min_price: Option<f64>,
    max_price: Option<f64>,
    exclude: Vec<String>,
    profile: String,
}

impl ToldOptions {
    pub(crate) fn value(self) -> ListOptions {
        ListOptions {
            page_size: self.page_size,
            categories: self.categories,
            attributes: self.attributes,
            min_price: self.min_price,
            max_price: self.max_price,
            exclude: self.exclude,
            include_seen: self.include_seen,
            include_items: self.include_items,
            explain: self.explain,
            profile: self.profile,
        }
    }
}
