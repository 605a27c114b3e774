//! Unary calls: retries, errors, deadlines, keys, and several servers.

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Fake, call, pb};
use penchant::{Client, Event, Kind, ListOptions};
use tonic::Status;

/// Answers UNAVAILABLE so many times, and then as it should; what it was asked is kept.
fn shaky(failures: usize) -> (Fake, Arc<Mutex<Vec<pb::Event>>>) {
    let asked = Arc::<Mutex<Vec<pb::Event>>>::default();
    let kept = asked.clone();
    let record_event = call(move |request: tonic::Request<pb::RecordEventRequest>| {
        let event = request.into_inner().event.unwrap();
        let event_id = event.event_id.clone();
        let mut asked = kept.lock().unwrap();
        asked.push(event);
        if asked.len() <= failures {
            return Err(Status::unavailable("going"));
        }
        Ok(pb::RecordEventResponse { event_id, freshness_token: "f1".into(), unchanged: false })
    });
    (Fake { record_event, ..Fake::default() }, asked)
}

#[tokio::test]
async fn unavailable_is_tried_again_with_the_same_event_id() {
    let (fake, asked) = shaky(2);
    let service = fake.serve();
    let recorded = service.client().record(Event::new("ada", "view").item_id("shoe")).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|event| event.event_id == recorded.event_id));
}

#[tokio::test]
async fn retries_are_as_many_as_was_said() {
    for retries in [0, 1] {
        let (fake, asked) = shaky(usize::MAX);
        let service = fake.serve();
        let client = Client::builder(service.target()).retries(retries).build().unwrap();
        let error = client.record(Event::new("ada", "view")).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "going"));
        assert_eq!(asked.lock().unwrap().len(), retries as usize + 1);
    }
}

#[tokio::test]
async fn no_other_error_is_tried_again_and_it_tells_what_the_service_told() {
    use prost::Message;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let recommend = call(move |_: tonic::Request<pb::RecommendRequest>| {
        count.fetch_add(1, Ordering::SeqCst);
        let info = prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(),
            value: b"\x0a\x08TOO_MANY".to_vec(),
        };
        let details = penchant::pb::google::rpc::Status { code: 8, message: "full".into(), details: vec![info] };
        Err(Status::with_details(tonic::Code::ResourceExhausted, "full", details.encode_to_vec().into()))
    });
    let service = Fake { recommend, ..Fake::default() }.serve();
    let error = service.client().recommend("ada", ListOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason(), error.message()), (Kind::Overloaded, "TOO_MANY", "full"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let unknown = service.client().similar("shoe", ListOptions::new()).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::Unimplemented);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable_before_the_deadline() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::builder(nobody.to_string()).retries(1).build().unwrap();
    let begun = Instant::now();
    let error = client.interests("ada").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.message().contains("refused"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_tells_the_service_of_it() {
    let (told, heard) = std::sync::mpsc::channel();
    let (let_go, go) = std::sync::mpsc::channel::<()>();
    let go = Mutex::new(go);
    let recommend = call(move |request: tonic::Request<pb::RecommendRequest>| {
        told.send(request.metadata().get("grpc-timeout").unwrap().to_str().unwrap().to_owned()).unwrap();
        let _ = go.lock().unwrap().recv(); // for ever, as far as the client can tell
        Ok(pb::RecommendResponse::default())
    });
    let service = Fake { recommend, ..Fake::default() }.serve();
    let client = service.client().with_timeout(Duration::from_millis(200));
    let error = client.recommend("ada", ListOptions::new()).await.unwrap_err();
    drop(let_go);
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    let limit = heard.recv().unwrap();
    let microseconds: u64 = limit.strip_suffix('u').expect("microseconds").parse().unwrap();
    assert!((1..=200_000).contains(&microseconds), "{limit}");
}

#[tokio::test]
async fn a_closed_client_cancels() {
    let service = Fake::default().serve();
    let client = service.client();
    client.close().await.unwrap();
    client.clone().close().await.unwrap();
    assert_eq!(client.interests("ada").await.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(client.recorder(penchant::SendOptions::new()).unwrap_err().kind(), Kind::Cancelled);
}

#[tokio::test]
async fn the_key_goes_with_every_call_the_stubs_own_too() {
    let (told, heard) = std::sync::mpsc::channel();
    let interests = call(move |request: tonic::Request<pb::GetInterestsRequest>| {
        told.send(request.metadata().get("authorization").unwrap().to_str().unwrap().to_owned()).unwrap();
        Ok(pb::GetInterestsResponse::default())
    });
    let service = Fake { interests, ..Fake::default() }.serve();
    let client = Client::builder(service.target()).api_key("k-1").build().unwrap();
    client.interests("ada").await.unwrap();
    client.raw().users.get_interests(pb::GetInterestsRequest::default()).await.unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["Bearer k-1", "Bearer k-1"]);
}

#[tokio::test]
async fn reads_wait_for_the_writes_of_their_user_where_that_was_asked_for() {
    let (fake, _) = shaky(0);
    let waited = Arc::<Mutex<Vec<String>>>::default();
    let kept = waited.clone();
    let interests = call(move |request: tonic::Request<pb::GetInterestsRequest>| {
        kept.lock().unwrap().push(request.into_inner().min_freshness);
        Ok(pb::GetInterestsResponse::default())
    });
    let service = Fake { interests, ..fake }.serve();
    let own = Client::builder(service.target()).read_your_writes(true).build().unwrap();
    for client in [own, service.client()] {
        client.record(Event::new("ada", "view")).await.unwrap();
        client.interests("ada").await.unwrap();
        client.interests("bob").await.unwrap();
        client.interests_after("ada", "given").await.unwrap();
    }
    assert_eq!(*waited.lock().unwrap(), ["f1", "", "given", "", "", "given"]);
}

#[tokio::test]
async fn ids_are_deleted_a_thousand_at_a_time() {
    let delete_items = call(|request: tonic::Request<pb::DeleteItemsRequest>| {
        let item_ids = request.into_inner().item_ids;
        Ok(pb::DeleteItemsResponse { deleted: item_ids.len() as u32, unknown_item_ids: item_ids[..1].to_vec() })
    });
    let service = Fake { delete_items, ..Fake::default() }.serve();
    let ids: Vec<String> = (0..2_001).map(|number| number.to_string()).collect();
    let found = service.client().delete_items(&ids).await.unwrap();
    assert_eq!((found.deleted, found.unknown_item_ids), (2_001, vec!["0".into(), "1000".into(), "2000".into()]));
}

/// A service that says its name as the profile.
fn named(name: &'static str) -> Fake {
    let recommend = call(move |_: tonic::Request<pb::RecommendRequest>| {
        Ok(pb::RecommendResponse { profile: name.into(), ..pb::RecommendResponse::default() })
    });
    Fake { recommend, ..Fake::default() }
}

async fn who_answers(client: &Client, calls: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..calls {
        names.push(client.recommend("ada", ListOptions::new()).await.unwrap().profile);
    }
    names
}

#[tokio::test]
async fn servers_take_turns_and_one_that_is_gone_is_passed_over_without_an_error() {
    let (one, two) = (named("one").serve(), named("two").serve());
    let client = Client::builder(format!("{},{}", one.target(), two.target())).retries(0).build().unwrap();
    let names = who_answers(&client, 4).await;
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 2, "{names:?}");
    assert_eq!((&names[0], &names[1]), (&names[2], &names[3]));
    drop(two);
    let patient = Client::builder(format!("{},{}", one.target(), nobody())).retries(0).build().unwrap();
    assert_eq!(who_answers(&patient, 4).await, ["one"; 4]);
}

fn nobody() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_call_right_after_a_restart_works() {
    let service = named("before").serve();
    let (address, client) = (service.address, service.client());
    assert_eq!(who_answers(&client, 1).await, ["before"]);
    drop(service);
    let once = Client::builder(address.to_string()).retries(0).build().unwrap();
    assert_eq!(once.recommend("ada", ListOptions::new()).await.unwrap_err().kind(), Kind::Unavailable);
    let _again = named("after").serve_on(address, None);
    assert_eq!(who_answers(&client, 1).await, ["after"]);
    assert_eq!(who_answers(&once, 1).await, ["after"]);
}

#[test]
fn every_verb_can_be_awaited_in_a_task() {
    fn sent<T: Send>(_: T) {}
    let client = Client::builder("localhost:1").build().unwrap();
    sent(client.record(Event::new("ada", "view")));
    sent(client.recommend("ada", ListOptions::new()));
    sent(client.similar("shoe", ListOptions::new()));
    sent(client.search("shoe", ListOptions::new()));
    sent(client.interests("ada"));
    sent(client.upsert_items([]));
    sent(client.delete_items(["shoe"]));
    sent(client.close());
    sent(client.stream("ada", ListOptions::new()));
    sent(client.watch("ada", ListOptions::new()));
}
