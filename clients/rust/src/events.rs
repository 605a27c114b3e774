//! The verbs that write events.

use std::sync::Arc;

use tokio_stream::Stream;

use crate::acknowledgements::Acknowledgements;
use crate::carry::{Connect, Deliver};
use crate::client::Client;
use crate::delivery::{Closable, Delivery};
use crate::encode;
use crate::error::Error;
use crate::exchange::EventExchange;
use crate::model::Event;
use crate::options::SendOptions;
use crate::pb::penchant::v1 as pb;
use crate::recorder::Recorder;
use crate::results::{Acknowledged, Recorded};

impl Client {
    /// Records one event; when it returns, the event is durable. An event without an id gets one before it is sent, so that
    /// a retry counts once.
    pub async fn record(&self, event: Event) -> Result<Recorded, Error> {
        let event = encode::event(event)?;
        let user_id = event.user_id.clone();
        let stub = &self.shared.stubs.events;
        let found = self
            .ask(pb::RecordEventRequest { event: Some(event) }, |request| {
                let mut stub = stub.clone();
                async move { stub.record_event(request).await }
            })
            .await?;
        if let Some(writes) = &self.shared.writes {
            writes.lock().expect("no panic while it is held").remember(&user_id, &found.freshness_token);
        }
        Ok(Recorded { event_id: found.event_id, freshness_token: found.freshness_token, unchanged: found.unchanged })
    }

    /// Records many events over one stream and gives what became of each, in order.
    ///
    /// When the service is unavailable, what was not acknowledged is sent again, in order; an event that had arrived then
    /// comes back as unchanged. Needs a Tokio runtime around it.
    ///
    /// ```no_run
    /// # async fn example(client: penchant::Client) -> Result<(), penchant::Error> {
    /// use penchant::{Event, SendOptions};
    /// use tokio_stream::StreamExt;
    ///
    /// let events = ["shoe", "sock"].map(|item| Event::new("ada", "view").item_id(item));
    /// let mut acknowledged = client.record_many(events, SendOptions::new());
    /// while let Some(one) = acknowledged.try_next().await? {
    ///     println!("{} {:?}", one.ordinal, one.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn record_many<E>(&self, events: E, options: SendOptions) -> Acknowledgements
    where
        E: IntoIterator<Item = Event>,
        E::IntoIter: Send + 'static,
    {
        self.record_many_from(tokio_stream::iter(events), options)
    }

    /// Records the events of a stream as [`record_many`](Self::record_many) does; it is read as there is room.
    pub fn record_many_from(
        &self,
        events: impl Stream<Item = Event> + Send + 'static,
        options: SendOptions,
    ) -> Acknowledgements {
        match self.event_delivery(options, None) {
            Ok(delivery) => Acknowledgements::of(delivery, events, encode::event),
            Err(error) => Acknowledgements::refused(error),
        }
    }

    /// Returns a recorder: one long stream for events as they come. It connects when there is something to send, and gives
    /// up when the service was never heard after the client's retries, or answers nothing for its patience; everything
    /// fails then. Needs a Tokio runtime around it.
    pub fn recorder(&self, options: SendOptions) -> Result<Recorder, Error> {
        self.open_recorder(options, None)
    }

    /// Returns a recorder whose answers are told to `acknowledged`, refused events included, in order, and not kept for
    /// [`Recorder::flush`]. While it runs, no further answers are read.
    pub fn recorder_with(
        &self,
        options: SendOptions,
        acknowledged: impl FnMut(Acknowledged) + Send + 'static,
    ) -> Result<Recorder, Error> {
        self.open_recorder(options, Some(Box::new(acknowledged)))
    }

    fn open_recorder(&self, options: SendOptions, deliver: Option<Deliver<EventExchange>>) -> Result<Recorder, Error> {
        if *self.shared.closed.borrow() {
            return Err(Error::closed());
        }
        let delivery = self.event_delivery(options, deliver)?;
        let open: Arc<dyn Closable> = delivery.0.clone();
        self.remember_recorder(Arc::downgrade(&open));
        Ok(Recorder::new(delivery))
    }

    fn event_delivery(
        &self,
        options: SendOptions,
        deliver: Option<Deliver<EventExchange>>,
    ) -> Result<Delivery<EventExchange>, Error> {
        let stub = self.shared.stubs.events.clone();
        let connect: Connect<EventExchange> = Box::new(move |requests| {
            let mut stub = stub.clone();
            Box::pin(async move { stub.record_events(requests).await })
        });
        let exchange = EventExchange::new(self.shared.writes.clone());
        Ok(Delivery::start(self.shared.clone(), options.checked()?, exchange, connect, deliver))
    }
}
