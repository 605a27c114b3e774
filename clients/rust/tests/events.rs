//! Long streams of events and items: order, breaks, room, and errors.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::ledger::{Answers, Ledger, acknowledged_ids, ids, numbered, open, small};
use common::{Fake, pb, talk};
use penchant::{Acknowledged, Client, Error, Event, Item, Kind, SendOptions};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

async fn collected(client: &Client, count: usize, options: SendOptions) -> Result<Vec<Acknowledged>, Error> {
    client.record_many(numbered(count), options).collect().await
}

#[tokio::test]
async fn many_events_are_answered_in_order() {
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() }.serve();
    let answers = collected(&service.client(), 95, small()).await.unwrap();
    assert_eq!(acknowledged_ids(&answers), ids(95));
    assert_eq!(answers.iter().map(|one| one.ordinal).collect::<Vec<_>>(), (0..95).collect::<Vec<_>>());
    assert!(ledger.0.lock().unwrap().1.iter().all(|size| *size <= 10));
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_where_the_stream_breaks() {
    let ledger = Ledger::default();
    // The last of these comes first: after 3 answers, after none, after 1.
    let service = Fake { record_events: ledger.answering(&[1, 0, 3], open()), ..Fake::default() }.serve();
    let answers = collected(&service.client(), 200, small()).await.unwrap();
    assert_eq!(acknowledged_ids(&answers), ids(200));
    assert_eq!(ledger.ids(), ids(200));
    assert!(answers.iter().any(|one| one.unchanged), "what was recorded but not told is sent again");
}

#[tokio::test]
async fn put_waits_for_room() {
    let (opens, held) = watch::channel(false);
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], held), ..Fake::default() }.serve();
    let recorder = service.client().recorder(small()).unwrap();
    for event in numbered(20) {
        recorder.put(event).await.unwrap();
    }
    let mut one_more = waiting(recorder.put(Event::new("ada", "view").event_id("e20")));
    assert!(one_more.is_pending().await, "the window is full");
    opens.send(true).unwrap();
    one_more.await.unwrap();
    assert_eq!(acknowledged_ids(&recorder.flush().await.unwrap()), ids(21));
}

#[tokio::test]
async fn no_more_than_the_window_is_read_ahead_of_an_endless_source() {
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() }.serve();
    let read = Arc::new(Mutex::new(0));
    let count = read.clone();
    let endless = std::iter::repeat_with(move || {
        *count.lock().unwrap() += 1;
        Event::new("ada", "view")
    });
    let mut answers = service.client().record_many(endless, small());
    for number in 1..=50 {
        answers.next().await.unwrap().unwrap();
        // What is in the window, what was answered, and what is being handed over.
        assert!(*read.lock().unwrap() <= number + 2 * 20 + 3);
    }
}

#[tokio::test]
async fn it_loses_patience_with_one_who_says_nothing_known() {
    let record_events = talk(|_: Streaming<pb::RecordEventsRequest>, answers: Answers| async move {
        while answers.send(Ok(pb::RecordEventsResponse::default())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let service = Fake { record_events, ..Fake::default() }.serve();
    let impatient = small().patience(Duration::from_millis(200));
    let error = collected(&service.client(), 1, impatient).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
}

#[tokio::test]
async fn other_errors_end_the_sending() {
    let record_events = talk(|_: Streaming<pb::RecordEventsRequest>, answers: Answers| async move {
        let _ = answers.send(Err(Status::permission_denied("no"))).await;
    });
    let service = Fake { record_events, ..Fake::default() }.serve();
    assert_eq!(collected(&service.client(), 5, small()).await.unwrap_err().kind(), Kind::PermissionDenied);
    let wrong = collected(&service.client(), 5, SendOptions::new().batch(0)).await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.field()), (Kind::InvalidArgument, "batch"));
}

#[tokio::test]
async fn an_event_that_no_request_has_room_for_is_refused_and_ends_nothing_else() {
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() }.serve();
    let recorder = service.client().recorder(small()).unwrap();
    let huge = Event::new("ada", "review").text("x".repeat(1 << 20));
    assert_eq!(recorder.put(huge).await.unwrap_err().field(), "event");
    recorder.put(numbered(1).next().unwrap()).await.unwrap();
    assert_eq!(acknowledged_ids(&recorder.close().await.unwrap()), ["e0"]);
}

#[tokio::test]
async fn a_recorder_that_is_listened_to_keeps_nothing_and_its_flush_waits_until_all_is_told() {
    let ledger = Ledger::default();
    let service = Fake { record_events: ledger.answering(&[], open()), ..Fake::default() }.serve();
    let told = Arc::<Mutex<Vec<String>>>::default();
    let keep = told.clone();
    let recorder = service.client().recorder_with(small(), move |one| keep.lock().unwrap().push(one.event_id)).unwrap();
    for event in numbered(30) {
        recorder.put(event).await.unwrap();
    }
    assert!(recorder.flush().await.unwrap().is_empty());
    assert_eq!(*told.lock().unwrap(), ids(30));
}

#[tokio::test]
async fn items_are_upserted_and_refused_by_position() {
    let upsert_items = talk(
        |mut requests: Streaming<pb::UpsertItemsRequest>,
         answers: mpsc::Sender<Result<pb::UpsertItemsResponse, Status>>| async move {
            let _ = answers.send(Ok(pb::UpsertItemsResponse::default())).await; // says nothing known
            while let Ok(Some(request)) = requests.message().await {
                let last = request.items.len() as u32 - 1;
                let refused =
                    pb::RefusedItem { index: last, item_id: request.items[last as usize].item_id.clone(), error: None };
                let answer = pb::UpsertItemsResponse { accepted: last, refused: vec![refused] };
                let _ = answers.send(Ok(answer)).await;
            }
        },
    );
    let service = Fake { upsert_items, ..Fake::default() }.serve();
    let items: Vec<Item> = (0..9).map(|number| Item::new(format!("i{number}"), "t")).collect();
    let found = service.client().upsert_items(items).await.unwrap();
    assert_eq!(found.accepted, 8);
    assert_eq!((found.refused[0].index, found.refused[0].item_id.as_str()), (8, "i8"));
}

/// A future that can be asked whether it waits.
fn waiting<F: Future>(future: F) -> Waiting<F> {
    Waiting(Box::pin(future))
}

struct Waiting<F>(std::pin::Pin<Box<F>>);

impl<F: Future> Waiting<F> {
    async fn is_pending(&mut self) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(self.0.as_mut().poll(context).is_pending())).await
    }
}

impl<F: Future> Future for Waiting<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        self.0.as_mut().poll(context)
    }
}
