use std::task::Waker;

use super::*;
use crate::pb::penchant::v1::stream_recommendations_request::Shown;

fn update(sequence: u64) -> pb::RecommendationUpdate {
    let item = |item_id: String| pb::Recommendation { item_id, ..pb::Recommendation::default() };
    pb::RecommendationUpdate {
        stream_sequence: sequence,
        order: vec!["same".into(), format!("i{sequence}")],
        recommendations: vec![item("same".into()), item(format!("i{sequence}"))],
        resume_token: format!("r{sequence}"),
        ..pb::RecommendationUpdate::default()
    }
}

fn mailbox() -> Arc<Mailbox> {
    Arc::new(Mailbox::new(Following::new(pb::StreamStart::default())))
}

fn read(mailbox: &Mailbox) -> u64 {
    match mailbox.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(update))) => update.sequence,
        other => panic!("{other:?}"),
    }
}

fn said(requests: &mut Requests) -> Option<Message> {
    match Pin::new(requests).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(request)) => request.message,
        _ => None,
    }
}

#[test]
fn what_waits_is_no_longer_than_a_list_however_much_came() {
    let mailbox = mailbox();
    for sequence in 1..=1_000 {
        assert!(mailbox.put(update(sequence)));
    }
    assert_eq!(mailbox.state().waiting.as_ref().unwrap().recommendations.len(), 2);
    assert_eq!(read(&mailbox), 1_000);
}

#[test]
fn one_who_says_much_is_heard_once_and_a_change_releases_what_was_shown() {
    let mailbox = mailbox();
    let mut requests = mailbox.introduce();
    assert!(matches!(said(&mut requests), Some(Message::Open(_))));
    mailbox.put(update(1));
    read(&mailbox);
    mailbox.shown(1, 0).unwrap();
    mailbox.shown(2, 0).unwrap();
    assert_eq!(said(&mut requests), Some(Message::Shown(Shown { positions: 2, stream_sequence: 1 })));
    mailbox.shown(1, 0).unwrap();
    mailbox.change(ListOptions::new().page_size(4));
    mailbox.change(ListOptions::new().page_size(5));
    let Some(Message::Change(options)) = said(&mut requests) else { panic!("a change") };
    assert_eq!(options.page_size, 5);
    assert_eq!(said(&mut requests), None);
}

#[test]
fn of_an_update_that_the_service_has_forgotten_nothing_is_said() {
    let mailbox = mailbox();
    let mut requests = mailbox.introduce();
    said(&mut requests);
    mailbox.put(update(1));
    read(&mailbox);
    mailbox.put(update(16));
    mailbox.shown(1, 1).unwrap();
    assert!(said(&mut requests).is_some());
    mailbox.put(update(17));
    mailbox.shown(1, 1).unwrap();
    assert_eq!(said(&mut requests), None);
    // The next connection does not know the one that was read, since a newer one waits.
    mailbox.disconnected();
    let mut requests = mailbox.introduce();
    let Some(Message::Open(open)) = said(&mut requests) else { panic!("an opening") };
    assert_eq!((open.resume_token.as_str(), open.shown_positions), ("r17", 0));
    mailbox.shown(1, 1).unwrap();
    assert_eq!(said(&mut requests), None);
    read(&mailbox);
    mailbox.shown(1, 0).unwrap();
    assert!(said(&mut requests).is_some());
}

#[test]
fn without_a_connection_the_introduction_of_the_next_one_says_it() {
    let mailbox = mailbox();
    let mut gone = mailbox.introduce();
    mailbox.put(update(1));
    read(&mailbox);
    mailbox.disconnected();
    mailbox.shown(2, 0).unwrap();
    let mut next = mailbox.introduce();
    let Some(Message::Open(open)) = said(&mut next) else { panic!("an opening") };
    assert_eq!(open.shown_positions, 2);
    assert_eq!(said(&mut next), None);
    mailbox.shown(1, 0).unwrap();
    assert_eq!(said(&mut gone), None, "it belongs to the next connection");
    assert!(said(&mut next).is_some());
}

#[test]
fn what_waits_is_read_before_the_end_is_told_once() {
    let mailbox = mailbox();
    mailbox.put(update(1));
    mailbox.end(Err(Error::unavailable("gone")));
    mailbox.end(Ok(()));
    assert_eq!(read(&mailbox), 1);
    let context = &mut Context::from_waker(Waker::noop());
    assert!(matches!(mailbox.poll(context), Poll::Ready(Some(Err(_)))));
    assert!(matches!(mailbox.poll(context), Poll::Ready(None)));
    assert!(matches!(mailbox.poll(context), Poll::Ready(None)));
}
