//! What is said on one connection: it translates between the numbers of that connection and those of the whole delivery.
//! Pure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use prost::Message;

use crate::decode::each;
use crate::error::Error;
use crate::outbox::Outbox;
use crate::pb::penchant::v1 as pb;
use crate::results::{Acknowledged, Refused, UpsertResult};
use crate::status::from_message;
use crate::writes::LastWrites;

/// How elements become requests, and responses become answers.
pub(crate) trait Exchange: Send + 'static {
    /// What is sent.
    type Element: Message + Clone + 'static;
    /// A message to the service.
    type Request: Send + 'static;
    /// A message of the service.
    type Response: Send + 'static;
    /// What became of elements.
    type Answer: Send + 'static;

    /// Begins on a new connection: the one before is gone.
    fn begin(&mut self, outbox: &mut Outbox<Self::Element>);

    /// Returns the next request; something must be waiting.
    fn request(&mut self, outbox: &mut Outbox<Self::Element>) -> Self::Request;

    /// Settles what a response answers, nothing where it says nothing that is known. What was answered before an error is
    /// among `answers` too.
    fn answers(
        &mut self,
        outbox: &mut Outbox<Self::Element>,
        response: Self::Response,
        answers: &mut Vec<Self::Answer>,
    ) -> Result<(), Error>;
}

/// `RecordEvents`: every event is acknowledged by its ordinal on the connection.
pub(crate) struct EventExchange {
    /// The whole delivery's number of this connection's event 0.
    first: u64,
    writes: Option<Arc<Mutex<LastWrites>>>,
}

impl EventExchange {
    pub(crate) fn new(writes: Option<Arc<Mutex<LastWrites>>>) -> Self {
        Self { first: 0, writes }
    }
}

impl Exchange for EventExchange {
    type Element = pb::Event;
    type Request = pb::RecordEventsRequest;
    type Response = pb::RecordEventsResponse;
    type Answer = Acknowledged;

    fn begin(&mut self, outbox: &mut Outbox<pb::Event>) {
        outbox.rewind();
        self.first = outbox.settled();
    }

    fn request(&mut self, outbox: &mut Outbox<pb::Event>) -> pb::RecordEventsRequest {
        pb::RecordEventsRequest { events: outbox.take() }
    }

    fn answers(
        &mut self,
        outbox: &mut Outbox<pb::Event>,
        response: pb::RecordEventsResponse,
        answers: &mut Vec<Acknowledged>,
    ) -> Result<(), Error> {
        let token = response.freshness_token;
        for one in response.acknowledgements {
            let ordinal = self.first + one.ordinal;
            let due = outbox.settled();
            if ordinal != due {
                return Err(Error::internal(format!("the service acknowledged event {ordinal} where {due} was due")));
            }
            for event in outbox.settle(1)? {
                if let (None, Some(writes)) = (&one.error, &self.writes) {
                    writes.lock().expect("no panic while it is held").remember(&event.user_id, &token);
                }
            }
            answers.push(Acknowledged {
                ordinal,
                event_id: one.event_id,
                unchanged: one.unchanged,
                freshness_token: token.clone(),
                error: one.error.map(from_message),
            });
        }
        Ok(())
    }
}

/// `UpsertItems`: every request is answered as a whole.
#[derive(Default)]
pub(crate) struct ItemExchange {
    /// Sizes of the requests in flight.
    sizes: VecDeque<usize>,
}

impl Exchange for ItemExchange {
    type Element = pb::Item;
    type Request = pb::UpsertItemsRequest;
    type Response = pb::UpsertItemsResponse;
    type Answer = UpsertResult;

    fn begin(&mut self, outbox: &mut Outbox<pb::Item>) {
        outbox.rewind();
        self.sizes.clear();
    }

    fn request(&mut self, outbox: &mut Outbox<pb::Item>) -> pb::UpsertItemsRequest {
        let items = outbox.take();
        self.sizes.push_back(items.len());
        pb::UpsertItemsRequest { items }
    }

    fn answers(
        &mut self,
        outbox: &mut Outbox<pb::Item>,
        response: pb::UpsertItemsResponse,
        answers: &mut Vec<UpsertResult>,
    ) -> Result<(), Error> {
        if response.accepted == 0 && response.refused.is_empty() {
            return Ok(()); // no request is without items: it says nothing that is known here
        }
        let Some(size) = self.sizes.pop_front() else {
            return Err(Error::internal("the service answered more requests than were sent"));
        };
        let first = outbox.settled();
        outbox.settle(size)?;
        answers.push(UpsertResult {
            accepted: response.accepted.into(),
            refused: each(response.refused, |one| Refused {
                index: first + u64::from(one.index),
                item_id: one.item_id,
                error: from_message(one.error.unwrap_or_default()),
            }),
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests/exchange.rs"]
mod tests;
