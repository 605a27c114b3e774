//! A service that records events, and the events for it.

use std::sync::{Arc, Mutex};

use penchant::{Acknowledged, Event, SendOptions};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::{Talk, pb, talk};

pub type Answers = mpsc::Sender<Result<pb::RecordEventsResponse, Status>>;
type Events = Option<Talk<Streaming<pb::RecordEventsRequest>, pb::RecordEventsResponse>>;

/// What the service has recorded, by id, in order; and how large the requests were.
#[derive(Clone, Default)]
pub struct Ledger(pub Arc<Mutex<(Vec<String>, Vec<usize>)>>);

impl Ledger {
    /// Records the events of a request, from an ordinal on, and returns the acknowledgement.
    fn record(&self, request: pb::RecordEventsRequest, first: u64) -> pb::RecordEventsResponse {
        let (ids, sizes) = &mut *self.0.lock().unwrap();
        sizes.push(request.events.len());
        let mut acknowledgements = Vec::new();
        for (event, ordinal) in request.events.into_iter().zip(first..) {
            let unchanged = ids.contains(&event.event_id);
            if !unchanged {
                ids.push(event.event_id.clone());
            }
            acknowledgements.push(pb::Acknowledgement { ordinal, event_id: event.event_id, unchanged, error: None });
        }
        pb::RecordEventsResponse { acknowledgements, freshness_token: "f".into() }
    }

    pub fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    /// Answers as the real service does, once `open` is true; the first connections end after so many answers each, the
    /// last of them recorded but not told.
    pub fn answering(&self, breaks: &[usize], open: watch::Receiver<bool>) -> Events {
        let (ledger, breaks) = (self.clone(), Arc::new(Mutex::new(breaks.to_vec())));
        talk(move |mut requests: Streaming<pb::RecordEventsRequest>, answers: Answers| {
            let (ledger, mut open) = (ledger.clone(), open.clone());
            let ends_after = breaks.lock().unwrap().pop();
            async move {
                let mut ordinal = 0;
                let mut told = 0;
                while let Ok(Some(request)) = requests.message().await {
                    let count = request.events.len() as u64;
                    let _ = open.wait_for(|open| *open).await;
                    let response = ledger.record(request, ordinal);
                    ordinal += count;
                    if ends_after == Some(told) {
                        let _ = answers.send(Err(Status::unavailable("going"))).await;
                        return;
                    }
                    told += 1;
                    let _ = answers.send(Ok(response)).await;
                }
            }
        })
    }
}

pub fn open() -> watch::Receiver<bool> {
    watch::channel(true).1
}

pub fn numbered(count: usize) -> impl Iterator<Item = Event> + Send {
    (0..count).map(|number| Event::new("ada", "view").item_id("shoe").event_id(format!("e{number}")))
}

pub fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("e{number}")).collect()
}

pub fn acknowledged_ids(answers: &[Acknowledged]) -> Vec<&str> {
    answers.iter().map(|one| one.event_id.as_str()).collect()
}

pub fn small() -> SendOptions {
    SendOptions::new().batch(10).window(20)
}
