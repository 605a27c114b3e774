//! How a list should look, and how many events are sent at once.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::Error;
use crate::outbox::MOST_IN_A_REQUEST;

/// What a list should look like: by default ten items of any kind.
///
/// ```
/// # use penchant::ListOptions;
/// let cheap = ListOptions::new().page_size(5).max_price(50.0).explain();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOptions {
    /// Items wanted, 1–100; 0 means 10. Fewer come when the filter leaves fewer.
    pub page_size: u32,
    /// Leaves items in any of these, at most 32; empty: all.
    pub categories: Vec<String>,
    /// Leaves items with all of these values, at most 8.
    pub attributes: HashMap<String, String>,
    /// Lowest price, inclusive, 0–1e12; an item without a price does not match. `None`: no limit.
    pub min_price: Option<f64>,
    /// Highest price, inclusive, 0–1e12; an item without a price does not match. `None`: no limit.
    pub max_price: Option<f64>,
    /// Items that never come, at most 1,000.
    pub exclude: Vec<String>,
    /// Allows items that the user has acted on; by default they are left out.
    pub include_seen: bool,
    /// Adds the stored item to every recommendation.
    pub include_items: bool,
    /// Adds its reasons to every recommendation.
    pub explain: bool,
    /// Names the profile to score with, one of those that the service has, 0–64 bytes; empty: its default.
    /// [`Client::search`](crate::Client::search) scores by meaning alone.
    pub profile: String,
}

impl ListOptions {
    /// Returns the default: ten items of any kind.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for so many items, 1–100.
    pub fn page_size(mut self, items: u32) -> Self {
        self.page_size = items;
        self
    }

    /// Allows one more category.
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.categories.push(category.into());
        self
    }

    /// Asks for one more attribute.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// Sets the lowest price.
    pub fn min_price(mut self, price: f64) -> Self {
        self.min_price = Some(price);
        self
    }

    /// Sets the highest price.
    pub fn max_price(mut self, price: f64) -> Self {
        self.max_price = Some(price);
        self
    }

    /// Leaves out one more item.
    pub fn exclude(mut self, item_id: impl Into<String>) -> Self {
        self.exclude.push(item_id.into());
        self
    }

    /// Allows items that the user has acted on.
    pub fn include_seen(mut self) -> Self {
        self.include_seen = true;
        self
    }

    /// Asks for the stored items.
    pub fn include_items(mut self) -> Self {
        self.include_items = true;
        self
    }

    /// Asks for the reasons.
    pub fn explain(mut self) -> Self {
        self.explain = true;
        self
    }

    /// Names the profile to score with.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = name.into();
        self
    }

    /// Waits for a write: see [`Reading::min_freshness`].
    pub fn min_freshness(self, token: impl Into<String>) -> Reading {
        Reading::from(self).min_freshness(token)
    }

    /// Says where the list will be shown: see [`Reading::surface`].
    pub fn surface(self, name: impl Into<String>) -> Reading {
        Reading::from(self).surface(name)
    }
}

/// What is said about reading one user's list: how it should look, where it is shown, and which write it waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What the list should look like.
    pub options: ListOptions,
    /// Where the list will be shown, for attribution: 0–64 bytes.
    pub surface: String,
    /// A freshness token, 0–8,192 bytes: the reply waits, within the deadline, until that write is in it. Empty: for what
    /// this client recorded of the user last, with
    /// [`read_your_writes`](crate::ClientBuilder::read_your_writes), or else for nothing.
    pub min_freshness: String,
}

impl Reading {
    /// Waits, within the deadline, until the write with this token is in the reply: the `freshness_token` of an event.
    pub fn min_freshness(mut self, token: impl Into<String>) -> Self {
        self.min_freshness = token.into();
        self
    }

    /// Says where the list will be shown, for attribution.
    pub fn surface(mut self, name: impl Into<String>) -> Self {
        self.surface = name.into();
        self
    }
}

impl From<ListOptions> for Reading {
    fn from(options: ListOptions) -> Self {
        Self { options, ..Self::default() }
    }
}

/// How many events or items are on their way at once, and how long to wait for their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// Most events or items in one request, 1–1,000; by default 100. Requests are filled with what is there, up to 1 MiB,
    /// without a wait for more.
    pub batch: usize,
    /// Most events that are not answered, at least `batch`; by default 1,000. Items have no window but four batches.
    pub window: usize,
    /// Longest time without any answer while one is due, reconnections included, above 0; by default 60 s. After that
    /// sending gives up.
    pub patience: Duration,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { batch: 100, window: 1_000, patience: Duration::from_secs(60) }
    }
}

impl SendOptions {
    /// Returns the default: 100 in a request, 1,000 unanswered, 60 s.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most events or items in one request, 1–1,000.
    pub fn batch(mut self, count: usize) -> Self {
        self.batch = count;
        self
    }

    /// Sets the most events that are not answered.
    pub fn window(mut self, count: usize) -> Self {
        self.window = count;
        self
    }

    /// Sets the longest time without any answer.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn checked(self) -> Result<Self, Error> {
        if !(1..=MOST_IN_A_REQUEST).contains(&self.batch) {
            return Err(Error::invalid("batch", format_args!("{} is not within 1–{MOST_IN_A_REQUEST}", self.batch)));
        }
        if self.window < self.batch {
            return Err(Error::invalid("window", format_args!("{} is below batch, {}", self.window, self.batch)));
        }
        if self.patience.is_zero() {
            return Err(Error::invalid("patience", "is not above 0"));
        }
        Ok(self)
    }
}
