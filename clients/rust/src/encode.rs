//! From the client's values to messages.

use prost::Message;

use crate::error::Error;
use crate::model::{Event, Item};
use crate::options::{ListOptions, Reading};
use crate::outbox::REQUEST_BYTES;
use crate::pb::penchant::v1 as pb;
use crate::random;

/// Gives the event an id in any case: the id is what makes it safe to send twice. What no request has room for would only
/// be found out in the middle of a stream, to the harm of all else on it.
pub(crate) fn event(event: Event) -> Result<pb::Event, Error> {
    let message = pb::Event {
        event_id: if event.event_id.is_empty() { random::id() } else { event.event_id },
        user_id: event.user_id,
        r#type: event.event_type,
        item_id: event.item_id,
        text: event.text,
        value: event.value,
        occurred_at: event.occurred_at.map(Into::into),
        surface: event.surface,
        attribution_token: event.attribution_token,
    };
    match message.encoded_len() {
        size if size > REQUEST_BYTES => {
            let told = format_args!("{size} bytes, a request takes at most {REQUEST_BYTES}");
            Err(Error::invalid("event", told))
        }
        _ => Ok(message),
    }
}

pub(crate) fn item(item: Item) -> Result<pb::Item, Error> {
    Ok(pb::Item {
        item_id: item.item_id,
        title: item.title,
        description: item.description,
        categories: item.categories,
        price: item.price,
        unavailable: item.unavailable,
        attributes: item.attributes,
        images: item.images,
    })
}

pub(crate) fn options(options: ListOptions) -> pb::ListOptions {
    pb::ListOptions {
        page_size: options.page_size,
        filter: Some(pb::Filter {
            categories: options.categories,
            attributes: options.attributes,
            min_price: options.min_price,
            max_price: options.max_price,
            exclude_item_ids: options.exclude,
            include_seen: options.include_seen,
        }),
        include_items: options.include_items,
        explain: options.explain,
        profile: options.profile,
    }
}

pub(crate) fn start(user_id: String, reading: Reading) -> pb::StreamStart {
    pb::StreamStart {
        user_id,
        options: Some(options(reading.options)),
        surface: reading.surface,
        min_freshness: reading.min_freshness,
        ..pb::StreamStart::default()
    }
}
