use std::time::Duration;

use prost::Message;

use super::*;
use crate::encode;

/// A field of a later contract: number 1,000, with some bytes.
const LATER: &[u8] = b"\xc2\x3e\x04news";

#[test]
fn fields_and_kinds_of_reasons_that_are_not_known_are_passed_over() {
    let reasons = [5, 99, 0].map(|kind| pb::Reason { kind, contribution: 0.5, ..pb::Reason::default() });
    let known = pb::RecommendResponse {
        recommendations: vec![pb::Recommendation {
            item_id: "a".into(),
            explanation: Some(pb::Explanation { reasons: reasons.into() }),
            ..pb::Recommendation::default()
        }],
        ..pb::RecommendResponse::default()
    };
    let later = [known.encode_to_vec().as_slice(), LATER].concat();
    let found = recommendations(pb::RecommendResponse::decode(later.as_slice()).unwrap());
    let kinds: Vec<_> = found.items[0].reasons.iter().map(|reason| reason.kind).collect();
    assert_eq!(kinds, [ReasonKind::Learned, ReasonKind::Unknown, ReasonKind::Unknown]);
    assert_eq!(found.items[0].reasons[1].contribution, 0.5);
}

#[test]
fn an_event_comes_back_as_it_was_given() {
    let given = Event::new("ada", "rate")
        .item_id("shoe")
        .text("很甜 🍌")
        .value(0.0)
        .event_id("e1")
        .surface("home")
        .attribution_token("t")
        .occurred_at(SystemTime::UNIX_EPOCH - Duration::from_millis(1_500));
    assert_eq!(event(encode::event(given.clone()).unwrap()), given);
}

#[test]
fn an_event_without_an_id_gets_one_of_its_own() {
    let id = || encode::event(Event::new("ada", "view")).unwrap().event_id;
    assert_eq!(id().len(), 32);
    assert_ne!(id(), id());
}

#[test]
fn the_largest_event_that_a_request_has_room_for_is_taken_and_no_larger_one() {
    let sized = |length| encode::event(Event::new("ada", "review").event_id("e").text("x".repeat(length)));
    let around = sized(1_000_000).unwrap().encoded_len() - 1_000_000;
    assert!(sized((1 << 20) - around).is_ok());
    let error = sized((1 << 20) - around + 1).unwrap_err();
    assert_eq!((error.field(), error.reason()), ("event", "INVALID_FIELD"));
}

#[test]
fn an_item_comes_back_as_it_was_given() {
    let given = Item { unavailable: true, ..Item::new("shoe", "Running shoe").description("d").price(0.0) }
        .category("sport")
        .attribute("brand", "north")
        .image([1, 2]);
    assert_eq!(item(encode::item(given.clone()).unwrap()), given);
}
