//! Lists that follow a user: breaks, slow readers, steering, and what is not known.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Fake, Talk, pb, talk};
use penchant::{Client, Kind, ListOptions, Update};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

type Answers = mpsc::Sender<Result<pb::StreamRecommendationsResponse, Status>>;
type Requests = Streaming<pb::StreamRecommendationsRequest>;
type Steered = Option<Talk<Requests, pb::StreamRecommendationsResponse>>;
type Said = pb::stream_recommendations_request::Message;

fn update(sequence: u64, order: &[&str]) -> pb::RecommendationUpdate {
    let one = |item_id: &&str| pb::Recommendation { item_id: (*item_id).into(), ..pb::Recommendation::default() };
    pb::RecommendationUpdate {
        stream_sequence: sequence,
        order: order.iter().map(|item_id| (*item_id).into()).collect(),
        recommendations: order.iter().map(one).collect(),
        resume_token: format!("r{sequence}"),
        ..pb::RecommendationUpdate::default()
    }
}

async fn tell(answers: &Answers, update: pb::RecommendationUpdate) {
    let _ = answers.send(Ok(pb::StreamRecommendationsResponse { update: Some(update) })).await;
}

async fn gone(answers: &Answers) {
    let _ = answers.send(Err(Status::unavailable("gone"))).await;
}

/// A service whose every connection is another talk, with its number, from 0, and what opened it.
fn connections<F>(each: impl Fn(usize, pb::StreamStart, Requests, Answers) -> F + Send + Sync + 'static) -> Steered
where
    F: Future<Output = ()> + Send + 'static,
{
    let each = Arc::new(each);
    let count = Arc::new(Mutex::new(0));
    talk(move |mut requests: Requests, answers: Answers| {
        let (each, count) = (each.clone(), count.clone());
        async move {
            let Ok(Some(pb::StreamRecommendationsRequest { message: Some(Said::Open(open)) })) =
                requests.message().await
            else {
                panic!("a stream begins with its opening");
            };
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count - 1
            };
            each(number, open, requests, answers).await;
        }
    })
}

fn listed(update: &Update) -> Vec<&str> {
    update.items.iter().map(|one| one.item_id.as_str()).collect()
}

#[tokio::test]
async fn a_stream_goes_on_after_a_break_with_its_token_the_newest_options_and_what_was_shown() {
    let (told, mut opened) = mpsc::unbounded_channel();
    let (let_break, breaks) = mpsc::channel::<()>(1);
    let breaks = Arc::new(tokio::sync::Mutex::new(breaks));
    let stream = connections(move |number, open, mut requests, answers| {
        let (told, breaks) = (told.clone(), breaks.clone());
        async move {
            told.send(open).unwrap();
            if number == 0 {
                tell(&answers, update(1, &["a", "b"])).await;
                for _ in 0..2 {
                    requests.message().await.unwrap(); // the change, and what was shown
                }
                breaks.lock().await.recv().await;
                gone(&answers).await;
                return;
            }
            tell(&answers, update(1, &["a", "b"])).await; // a repetition
            tell(&answers, pb::RecommendationUpdate { recommendations: vec![], ..update(4, &["b", "a"]) }).await;
            let _ = requests.message().await;
        }
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    let mut stream = service.client().stream("ada", ListOptions::new().page_size(2).surface("home"));
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.sequence, listed(&first)), (1, vec!["a", "b"]));
    let steering = stream.steering();
    steering.change(ListOptions::new().page_size(7));
    // What is newer takes the place of what was not sent yet: one of each kind at most.
    steering.shown(1, first.sequence).unwrap();
    let_break.send(()).await.unwrap();
    let second = stream.next().await.unwrap().unwrap();
    assert_eq!((second.sequence, listed(&second), second.changed), (4, vec!["b", "a"], true));
    let (open, again) = (opened.recv().await.unwrap(), opened.recv().await.unwrap());
    assert_eq!((open.user_id.as_str(), open.surface.as_str(), open.resume_token.as_str()), ("ada", "home", ""));
    assert_eq!((again.resume_token.as_str(), again.shown_positions, again.options.unwrap().page_size), ("r1", 1, 7));
}

#[tokio::test]
async fn a_slow_reader_is_given_the_newest_list_and_not_those_between() {
    let (told, mut all_sent) = mpsc::channel::<()>(1);
    let stream = connections(move |_, _, mut requests, answers| {
        let told = told.clone();
        async move {
            tell(&answers, update(1, &["a"])).await;
            for sequence in 2..=500 {
                let news = format!("i{sequence}");
                let after = update(sequence, &["a", &news]);
                let only_news = after.recommendations[1..].to_vec();
                tell(&answers, pb::RecommendationUpdate { recommendations: only_news, ..after }).await;
            }
            let Ok(Some(pb::StreamRecommendationsRequest { message: Some(Said::Change(_)) })) =
                requests.message().await
            else {
                panic!("a change");
            };
            tell(&answers, update(501, &["after"])).await;
            told.send(()).await.unwrap();
            let _ = requests.message().await;
        }
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    let mut stream = service.client().stream("ada", ListOptions::new());
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(listed(&first)[0], "a");
    stream.change(ListOptions::new().page_size(1));
    all_sent.recv().await.unwrap();
    let mut between = 0;
    loop {
        let next = stream.next().await.unwrap().unwrap();
        if next.sequence == 501 {
            assert_eq!(listed(&next), ["after"]);
            break;
        }
        between += 1;
    }
    // The last message may still be on its way when the service has sent it; the others were there.
    assert!(between <= 1, "{between}");
}

#[tokio::test]
async fn a_service_that_goes_away_is_asked_again_though_nobody_reads() {
    let (told, mut opened) = mpsc::unbounded_channel();
    let stream = connections(move |number, open, mut requests, answers| {
        let told = told.clone();
        async move {
            let sequence = number as u64 + 1;
            let going_away = number < 2;
            tell(&answers, pb::RecommendationUpdate { going_away, ..update(sequence, &["a"]) }).await;
            told.send(open.resume_token).unwrap();
            if !going_away {
                let _ = requests.message().await;
            }
        }
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    let mut stream = service.client().stream("ada", ListOptions::new());
    let first = stream.next().await.unwrap().unwrap();
    let tokens = [opened.recv().await.unwrap(), opened.recv().await.unwrap(), opened.recv().await.unwrap()];
    assert_eq!(tokens, ["", "r1", "r2"]);
    let mut last = first.sequence;
    while last < 3 {
        let next = stream.next().await.unwrap().unwrap().sequence;
        assert!(next > last);
        last = next;
    }
}

#[tokio::test]
async fn messages_that_say_nothing_known_are_skipped() {
    let stream = connections(|_, _, _, answers| async move {
        let nothing = || async { answers.send(Ok(pb::StreamRecommendationsResponse { update: None })).await };
        let _ = nothing().await;
        tell(&answers, update(1, &["a"])).await;
        tell(&answers, pb::RecommendationUpdate::default()).await;
        let _ = nothing().await;
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    let stream = service.client().stream("ada", ListOptions::new());
    let updates: Vec<Update> = stream.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(updates.len(), 1);
}

#[tokio::test]
async fn before_the_first_update_it_is_tried_as_often_as_a_unary_call() {
    let (told, mut opened) = mpsc::unbounded_channel();
    let stream = connections(move |number, _, _, answers| {
        told.send(number).unwrap();
        async move { gone(&answers).await }
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    let client = Client::builder(service.target()).retries(2).build().unwrap();
    let mut stream = client.stream("ada", ListOptions::new());
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    assert!(stream.next().await.is_none());
    opened.close();
    let mut attempts = 0;
    while opened.recv().await.is_some() {
        attempts += 1;
    }
    assert_eq!(attempts, 3);
}

#[tokio::test]
async fn the_first_update_has_a_deadline() {
    let stream = connections(|_, _, _, answers| async move { answers.closed().await });
    let service = Fake { stream, ..Fake::default() }.serve();
    let client = service.client().with_timeout(Duration::from_millis(100));
    let error = client.stream("ada", ListOptions::new()).next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
}

#[tokio::test]
async fn other_errors_end_a_stream_and_so_does_an_end_that_was_not_announced() {
    let stream = connections(|_, open, _, answers| async move {
        tell(&answers, update(1, &["a"])).await;
        match open.user_id.as_str() {
            "refused" => drop(answers.send(Err(Status::permission_denied("no"))).await),
            "lacking" => {
                tell(&answers, pb::RecommendationUpdate { recommendations: vec![], ..update(2, &["b"]) }).await;
            }
            _ => {}
        }
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    for (user, wanted) in [("refused", Some(Kind::PermissionDenied)), ("lacking", Some(Kind::Internal)), ("left", None)]
    {
        let mut ends = Vec::new();
        let mut stream = service.client().stream(user, ListOptions::new());
        while let Some(next) = stream.next().await {
            ends.extend(next.err().map(|error| error.kind()));
        }
        assert_eq!(ends.first().copied(), wanted, "{user}");
        assert!(ends.len() <= 1);
    }
}

#[tokio::test]
async fn dropping_a_stream_ends_its_call_and_closing_the_client_cancels_it() {
    let (told, mut ended) = mpsc::unbounded_channel();
    let stream = connections(move |number, _, mut requests, answers| {
        let told = told.clone();
        async move {
            tell(&answers, update(1, &["a"])).await;
            while let Ok(Some(_)) = requests.message().await {}
            told.send(number).unwrap();
        }
    });
    let service = Fake { stream, ..Fake::default() }.serve();
    let client = service.client();
    let mut stream = client.stream("ada", ListOptions::new());
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(ended.recv().await, Some(0));
    let mut stream = client.stream("ada", ListOptions::new());
    stream.next().await.unwrap().unwrap();
    client.close().await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(ended.recv().await, Some(1));
}

#[tokio::test]
async fn a_list_that_is_only_watched_goes_on_after_a_restart() {
    let watching = || {
        talk(
            |asked: pb::WatchRecommendationsRequest,
             answers: mpsc::Sender<Result<pb::WatchRecommendationsResponse, Status>>| async move {
                let last: u64 = asked.open.unwrap().resume_token.trim_start_matches('r').parse().unwrap_or(0);
                let response = pb::WatchRecommendationsResponse { update: Some(update(last + 1, &["a"])) };
                let _ = answers.send(Ok(response)).await;
                answers.closed().await;
            },
        )
    };
    let service = Fake { watch: watching(), ..Fake::default() }.serve();
    let address = service.address;
    let mut updates = service.client().watch("ada", ListOptions::new());
    assert_eq!(updates.next().await.unwrap().unwrap().sequence, 1);
    drop(service);
    let _again = Fake { watch: watching(), ..Fake::default() }.serve_on(address, None);
    assert_eq!(updates.next().await.unwrap().unwrap().sequence, 2);
}
