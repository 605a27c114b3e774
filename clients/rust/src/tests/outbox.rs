use super::*;
use crate::error::Kind;
use crate::pb::penchant::v1 as pb;

fn event(number: usize) -> pb::Event {
    pb::Event { event_id: number.to_string(), ..pb::Event::default() }
}

fn ids(events: &[pb::Event]) -> Vec<&str> {
    events.iter().map(|event| event.event_id.as_str()).collect()
}

fn filled(batch: usize, count: usize) -> Outbox<pb::Event> {
    let mut outbox = Outbox::new(batch, 4 * batch);
    (0..count).for_each(|number| outbox.put(event(number)));
    outbox
}

#[test]
fn elements_are_taken_in_order_so_many_at_a_time() {
    let mut outbox = filled(2, 3);
    assert_eq!(ids(&outbox.take()), ["0", "1"]);
    assert!(outbox.waiting());
    assert_eq!(ids(&outbox.take()), ["2"]);
    assert!(!outbox.waiting());
    assert!(outbox.take().is_empty());
    assert_eq!(outbox.len(), 3);
}

#[test]
fn what_is_in_flight_waits_again_after_a_break_before_what_waited() {
    let mut outbox = filled(2, 5);
    outbox.take();
    outbox.take();
    assert_eq!(outbox.settle(1).unwrap().count(), 1);
    outbox.rewind();
    assert_eq!(ids(&outbox.rest()), ["1", "2", "3", "4"]);
    assert_eq!(ids(&outbox.take()), ["1", "2"]);
    assert_eq!(outbox.settled(), 1);
}

#[test]
fn what_waits_is_sent_at_once_unless_the_window_has_no_room_for_another_full_request() {
    let mut outbox = Outbox::new(2, 4);
    assert!(!outbox.due());
    for number in 0..2 {
        outbox.put(event(number));
        assert!(outbox.due());
        assert_eq!(outbox.take().len(), 1);
    }
    outbox.put(event(2));
    assert!(!outbox.due() && outbox.waiting(), "two requests are in flight");
    outbox.put(event(3));
    assert!(outbox.due(), "a full one goes in any case");
    outbox.take();
    outbox.put(event(4));
    outbox.settle(2).unwrap();
    assert!(outbox.due(), "one is in flight");
    outbox.rewind();
    assert!(outbox.due());
}

#[test]
fn no_more_is_settled_than_is_in_flight() {
    let mut outbox = filled(2, 3);
    outbox.take();
    assert_eq!(outbox.settle(3).unwrap_err().kind(), Kind::Internal);
    outbox.settle(2).unwrap();
    assert_eq!((outbox.settled(), outbox.len()), (2, 1));
}

#[test]
fn a_request_is_closed_before_it_exceeds_its_size_but_takes_one_element_in_any_case() {
    let mut outbox = Outbox::new(100, 1_000);
    for length in [REQUEST_BYTES / 2, REQUEST_BYTES / 3, REQUEST_BYTES / 3, 2 * REQUEST_BYTES, 1] {
        outbox.put(pb::Event { text: "x".repeat(length), ..pb::Event::default() });
    }
    let sizes: Vec<_> = (0..4).map(|_| outbox.take().len()).collect();
    assert_eq!(sizes, [2, 1, 1, 1]);
}
