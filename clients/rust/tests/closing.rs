//! Recorders through restarts, and what becomes of them when they, or their client, are closed, dropped or given up.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Fake;
use common::ledger::{Ledger, acknowledged_ids, ids, numbered, open, small};
use penchant::{Client, Event, Kind, SendOptions};
use tokio::sync::watch;

#[tokio::test]
async fn a_recorder_goes_on_after_a_restart() {
    let ledger = Ledger::default();
    let fake = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() };
    let service = fake.clone().serve();
    let address = service.address;
    let recorder = service.client().recorder(small()).unwrap();
    recorder.put(numbered(1).next().unwrap()).await.unwrap();
    assert_eq!(recorder.flush().await.unwrap().len(), 1);
    drop(service);
    for event in numbered(15).skip(1) {
        recorder.put(event).await.unwrap();
    }
    let _again = fake.serve_on(address, None);
    assert_eq!(acknowledged_ids(&recorder.close().await.unwrap()), ids(15)[1..]);
    assert_eq!(ledger.ids(), ids(15));
    let late = recorder.put(Event::new("ada", "view")).await.unwrap_err();
    assert_eq!(late.kind(), Kind::FailedPrecondition);
}

#[tokio::test]
async fn it_gives_up_where_nobody_was_ever_heard() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::builder(nobody.to_string()).retries(1).build().unwrap();
    let recorder = client.recorder(SendOptions::new()).unwrap();
    recorder.put(Event::new("ada", "view").event_id("kept")).await.unwrap();
    assert_eq!(recorder.flush().await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(recorder.close().await.unwrap_err().kind(), Kind::Unavailable);
    let left = recorder.unanswered();
    assert_eq!((left.len(), left[0].event_id.as_str()), (1, "kept"));
}

#[tokio::test]
async fn a_listener_that_panics_lets_nobody_wait_for_ever() {
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() }.serve();
    let recorder = service.client().recorder_with(small(), |_| panic!("a bug of the caller's")).unwrap();
    for event in numbered(2) {
        recorder.put(event).await.unwrap();
    }
    let _ = recorder.close().await; // it returns
    assert_eq!(recorder.put(Event::new("ada", "view")).await.unwrap_err().kind(), Kind::Cancelled);
}

#[tokio::test]
async fn closing_the_client_closes_its_recorders_first() {
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() }.serve();
    let client = service.client();
    let recorder = client.recorder(small()).unwrap();
    for event in numbered(15) {
        recorder.put(event).await.unwrap();
    }
    client.close().await.unwrap();
    assert_eq!(ledger.ids(), ids(15));
    assert_eq!(recorder.close().await.unwrap().len(), 15);
}

#[tokio::test]
async fn closing_the_client_fails_with_the_number_of_events_that_its_recorders_still_hold() {
    let (_never, held) = watch::channel(false);
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], held), ..Fake::default() }.serve();
    let client = service.client().with_timeout(Duration::from_millis(100));
    let (one, two) = (client.recorder(small()).unwrap(), client.recorder(small()).unwrap());
    for event in numbered(7) {
        one.put(event.clone()).await.unwrap();
        two.put(event).await.unwrap();
    }
    let error = client.close().await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(error.message().starts_with("14 events"), "{error}");
    assert_eq!((one.unanswered().len(), one.close().await.unwrap_err().kind()), (7, Kind::Cancelled));
    client.close().await.unwrap();
}

#[tokio::test]
async fn dropping_a_recorder_with_events_that_are_not_answered_warns() {
    let (_never, held) = watch::channel(false);
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], held), ..Fake::default() }.serve();
    let recorder = service.client().recorder(small()).unwrap();
    for event in numbered(3) {
        recorder.put(event).await.unwrap();
    }
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || drop(recorder));
    assert_eq!(*log.0.lock().unwrap(), [3]);
    let empty = service.client().recorder(small()).unwrap();
    tracing::subscriber::with_default(log.clone(), || drop(empty));
    assert_eq!(log.0.lock().unwrap().len(), 1);
}

/// Keeps the numbers of events that warnings tell.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u64>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("penchant") && *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

impl tracing::field::Visit for Log {
    fn record_u64(&mut self, _: &tracing::field::Field, value: u64) {
        self.0.lock().unwrap().push(value);
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}
