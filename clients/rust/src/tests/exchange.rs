use super::*;
use crate::error::Kind;
use crate::pb::google::rpc;

fn acknowledged(ordinals: &[u64]) -> pb::RecordEventsResponse {
    let one = |ordinal: &u64| pb::Acknowledgement { ordinal: *ordinal, ..pb::Acknowledgement::default() };
    pb::RecordEventsResponse { acknowledgements: ordinals.iter().map(one).collect(), freshness_token: "f".into() }
}

fn events(count: usize) -> Outbox<pb::Event> {
    let mut outbox = Outbox::new(2, 4);
    (0..count).for_each(|number| outbox.put(pb::Event { user_id: format!("u{number}"), ..pb::Event::default() }));
    outbox
}

#[test]
fn ordinals_go_on_over_connections() {
    let (mut outbox, mut exchange, mut answers) = (events(3), EventExchange::new(None), Vec::new());
    exchange.begin(&mut outbox);
    exchange.request(&mut outbox);
    exchange.answers(&mut outbox, acknowledged(&[0]), &mut answers).unwrap();
    exchange.begin(&mut outbox);
    assert_eq!(exchange.request(&mut outbox).events.len(), 2);
    exchange.answers(&mut outbox, acknowledged(&[0, 1]), &mut answers).unwrap();
    assert_eq!(answers.iter().map(|one| one.ordinal).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(outbox.is_empty());
}

#[test]
fn a_skipped_event_breaks_the_contract_and_what_was_answered_before_it_counts() {
    let (mut outbox, mut exchange, mut answers) = (events(2), EventExchange::new(None), Vec::new());
    exchange.begin(&mut outbox);
    exchange.request(&mut outbox);
    let error = exchange.answers(&mut outbox, acknowledged(&[0, 2]), &mut answers).unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert_eq!(answers.len(), 1);
}

#[test]
fn a_refused_event_is_no_proof_of_a_write() {
    let writes = Arc::<Mutex<LastWrites>>::default();
    let (mut outbox, mut exchange, mut answers) = (events(2), EventExchange::new(Some(writes.clone())), Vec::new());
    exchange.begin(&mut outbox);
    exchange.request(&mut outbox);
    let mut response = acknowledged(&[0, 1]);
    response.acknowledgements[0].error = Some(rpc::Status { code: 5, ..rpc::Status::default() });
    exchange.answers(&mut outbox, response, &mut answers).unwrap();
    assert_eq!(answers[0].error.as_ref().map(Error::kind), Some(Kind::NotFound));
    let writes = writes.lock().unwrap();
    assert_eq!((writes.of("u0"), writes.of("u1")), (String::new(), "f".to_owned()));
}

#[test]
fn items_are_answered_by_request_and_refused_ones_are_counted_from_the_first_of_all() {
    let (mut outbox, mut exchange, mut answers) = (Outbox::new(2, 8), ItemExchange::default(), Vec::new());
    (0..3).for_each(|_| outbox.put(pb::Item::default()));
    exchange.begin(&mut outbox);
    exchange.request(&mut outbox);
    exchange.request(&mut outbox);
    let nothing_known = pb::UpsertItemsResponse::default();
    exchange.answers(&mut outbox, nothing_known, &mut answers).unwrap();
    assert_eq!((outbox.settled(), answers.len()), (0, 0));
    exchange.answers(&mut outbox, pb::UpsertItemsResponse { accepted: 2, refused: vec![] }, &mut answers).unwrap();
    let refused = pb::UpsertItemsResponse { accepted: 0, refused: vec![pb::RefusedItem::default()] };
    exchange.answers(&mut outbox, refused.clone(), &mut answers).unwrap();
    assert_eq!((answers[0].accepted, answers[1].refused[0].index), (2, 2));
    assert_eq!(exchange.answers(&mut outbox, refused, &mut answers).unwrap_err().kind(), Kind::Internal);
}
