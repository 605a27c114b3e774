//! What goes in: events and items.

use std::collections::HashMap;
use std::time::SystemTime;

/// One thing that a user did or said. Give `item_id`, `text` or both.
///
/// ```
/// # use penchant::Event;
/// let view = Event::new("ada", "view").item_id("shoe").surface("home");
/// let words = Event { text: "socks for winter".into(), ..Event::new("ada", "search") };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Unique per user, 0–128 bytes; empty: the client makes one, so that sending twice counts once.
    pub event_id: String,
    /// Who, 1–128 bytes. An anonymous visitor's session id serves as well.
    pub user_id: String,
    /// What happened, for example view, purchase, search, hide: 1–64 bytes.
    pub event_type: String,
    /// The item acted on, 0–128 bytes; it must be in the catalogue.
    pub item_id: String,
    /// The words searched or written, in any language: 0–8,192 bytes.
    pub text: String,
    /// Stars (0–5), seconds or quantity, by type; `None` counts with the type's full weight.
    pub value: Option<f64>,
    /// When it happened; `None`: when the service receives it. Kept to the millisecond.
    pub occurred_at: Option<SystemTime>,
    /// Where in the product it happened, for example home: 0–64 bytes.
    pub surface: String,
    /// That of the reply which showed the item, 0–512 bytes.
    pub attribution_token: String,
}

impl Event {
    /// Returns an event of a user, 1–128 bytes, and a type, 1–64 bytes.
    pub fn new(user_id: impl Into<String>, event_type: impl Into<String>) -> Self {
        Self { user_id: user_id.into(), event_type: event_type.into(), ..Self::default() }
    }

    /// Names the item acted on.
    pub fn item_id(mut self, item_id: impl Into<String>) -> Self {
        self.item_id = item_id.into();
        self
    }

    /// Gives the words searched or written.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Gives stars (0–5), seconds or quantity, by type.
    pub fn value(mut self, value: f64) -> Self {
        self.value = Some(value);
        self
    }

    /// Says when it happened.
    pub fn occurred_at(mut self, time: SystemTime) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// Gives it an id of the caller's own.
    pub fn event_id(mut self, event_id: impl Into<String>) -> Self {
        self.event_id = event_id.into();
        self
    }

    /// Says where in the product it happened.
    pub fn surface(mut self, surface: impl Into<String>) -> Self {
        self.surface = surface.into();
        self
    }

    /// Tells of which reply it came.
    pub fn attribution_token(mut self, token: impl Into<String>) -> Self {
        self.attribution_token = token.into();
        self
    }
}

/// Something that can be recommended. Give `title`, `description` or both: it is understood by its words, and by `images`
/// where a model sees.
///
/// ```
/// # use penchant::Item;
/// let shoe = Item::new("shoe", "Running shoe").price(89.0).category("sport");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// 1–128 bytes.
    pub item_id: String,
    /// 0–1,024 bytes, any language.
    pub title: String,
    /// 0–16,384 bytes, any language.
    pub description: String,
    /// Names to filter by, at most 32, each 1–128 bytes.
    pub categories: Vec<String>,
    /// In the shop's own currency, 0–1e12; `None`: it has none.
    pub price: Option<f64>,
    /// True hides the item from recommendations without forgetting it.
    pub unavailable: bool,
    /// Exact-match filters and what a page needs to show the item: at most 32, keys 1–64 bytes of `[a-z0-9_]`, values
    /// 0–1,024 bytes.
    pub attributes: HashMap<String, String>,
    /// Thumbnails: at most 4 files of JPEG, PNG or WebP, each at most 65,536 bytes and 1,024 pixels a side. The service
    /// keeps them and does not send them back.
    pub images: Vec<Vec<u8>>,
}

impl Item {
    /// Returns an item with an id, 1–128 bytes, and a title, 0–1,024 bytes.
    pub fn new(item_id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { item_id: item_id.into(), title: title.into(), ..Self::default() }
    }

    /// Describes it.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Puts it into one more category.
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.categories.push(category.into());
        self
    }

    /// Says what it costs, 0–1e12.
    pub fn price(mut self, price: f64) -> Self {
        self.price = Some(price);
        self
    }

    /// Gives it one more attribute.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// Gives it one more picture.
    pub fn image(mut self, file: impl Into<Vec<u8>>) -> Self {
        self.images.push(file.into());
        self
    }
}
