//! Events on one long stream: handed over one by one, answered in order, and none of them forgotten.

use std::fmt;

use crate::decode::{self, each};
use crate::delivery::{Closable, Delivery};
use crate::encode;
use crate::error::Error;
use crate::exchange::EventExchange;
use crate::model::Event;
use crate::results::Acknowledged;

/// Sends events over one long stream, in order, without a wait for each answer; from
/// [`Client::recorder`](crate::Client::recorder). To be shared by tasks behind an `Arc`.
///
/// When the stream breaks, all that is unanswered is sent again on the next one; events have ids, so none counts twice.
/// [`close`](Self::close) it when done: dropping it ends it as it stands, with a warning (of the `tracing` crate) where
/// events are not answered.
///
/// ```no_run
/// # async fn example(client: penchant::Client) -> Result<(), penchant::Error> {
/// use penchant::{Event, SendOptions};
///
/// let recorder = client.recorder(SendOptions::new())?;
/// recorder.put(Event::new("ada", "view").item_id("shoe")).await?;
/// for one in recorder.close().await? {
///     println!("{} {:?}", one.event_id, one.error);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Recorder {
    delivery: Delivery<EventExchange>,
}

impl Recorder {
    pub(crate) fn new(delivery: Delivery<EventExchange>) -> Self {
        Self { delivery }
    }

    /// Hands an event over, waiting while the window is full. It is sent in the background. Fails with what ended the
    /// stream, and, ending nothing, with [`Kind::InvalidArgument`](crate::Kind::InvalidArgument) for an event that no
    /// request has room for.
    pub async fn put(&self, event: Event) -> Result<(), Error> {
        self.delivery.put(encode::event(event)?).await
    }

    /// Waits until all that was put is answered; returns what became of everything since the last flush. They are kept
    /// until then: flush now and then, or use [`Client::recorder_with`](crate::Client::recorder_with). Fails with what
    /// ended the stream.
    pub async fn flush(&self) -> Result<Vec<Acknowledged>, Error> {
        self.delivery.flush().await
    }

    /// Flushes and ends the stream, as far as its patience allows. On an error, [`unanswered`](Self::unanswered) returns
    /// what is left. Closing again returns the same, without the answers.
    pub async fn close(&self) -> Result<Vec<Acknowledged>, Error> {
        self.delivery.0.finish();
        self.delivery.delivered().await
    }

    /// Returns the events that were put and are not answered, oldest first. Some of them may have been recorded: they have
    /// ids, so putting them into another recorder counts each once.
    pub fn unanswered(&self) -> Vec<Event> {
        each(self.delivery.0.state().outbox.rest(), decode::event)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("unanswered", &self.delivery.0.unanswered_count()).finish_non_exhaustive()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let left = self.delivery.0.unanswered_count();
        if left > 0 {
            tracing::warn!(events = left, "a recorder was dropped with events that are not answered; close it first");
        }
    }
}
