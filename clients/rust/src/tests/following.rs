use super::*;
use crate::error::Kind;

fn update(sequence: u64, order: &[&str], details: &[&str]) -> pb::RecommendationUpdate {
    let one = |item_id: &&str| pb::Recommendation {
        item_id: (*item_id).into(),
        score: sequence as f64,
        ..pb::Recommendation::default()
    };
    pb::RecommendationUpdate {
        stream_sequence: sequence,
        order: order.iter().map(|item_id| (*item_id).into()).collect(),
        recommendations: details.iter().map(one).collect(),
        resume_token: format!("r{sequence}"),
        ..pb::RecommendationUpdate::default()
    }
}

fn following() -> Following {
    let options = Some(pb::ListOptions { page_size: 3, ..pb::ListOptions::default() });
    Following::new(pb::StreamStart { user_id: "ana".into(), options, min_freshness: "f".into(), ..Default::default() })
}

fn listed(update: &Update) -> Vec<(&str, f64)> {
    update.items.iter().map(|one| (one.item_id.as_str(), one.score)).collect()
}

#[test]
fn differences_are_applied() {
    let mut following = following();
    let first = following.accept(update(1, &["a", "b"], &["a", "b"])).unwrap().unwrap();
    assert_eq!(listed(&first), [("a", 1.0), ("b", 1.0)]);
    assert!(first.changed);
    let second = following.accept(update(2, &["c", "a"], &["c"])).unwrap().unwrap();
    assert_eq!(listed(&second), [("c", 2.0), ("a", 1.0)]);
    let same = following.accept(update(5, &["c", "a"], &["a"])).unwrap().unwrap();
    assert_eq!((listed(&same), same.changed, same.sequence), (vec![("c", 2.0), ("a", 5.0)], false, 5));
    // The details of b went with it.
    assert_eq!(following.accept(update(6, &["b"], &[])).unwrap_err().kind(), Kind::Internal);
}

#[test]
fn a_repetition_is_passed_over_but_its_token_counts() {
    let mut following = following();
    following.accept(update(2, &["a"], &["a"])).unwrap();
    let again = pb::RecommendationUpdate { resume_token: "newer".into(), ..update(2, &["b"], &["b"]) };
    assert_eq!(following.accept(again).unwrap(), None);
    assert_eq!(following.opening(None).resume_token, "newer");
}

#[test]
fn an_update_that_says_nothing_known_changes_nothing() {
    let mut following = following();
    following.accept(update(2, &["a"], &["a"])).unwrap();
    assert_eq!(following.accept(pb::RecommendationUpdate::default()).unwrap(), None);
    assert_eq!(following.opening(None).resume_token, "r2");
}

#[test]
fn the_next_connection_knows_what_was_said() {
    let mut following = following();
    assert!(!following.resumable(None));
    assert_eq!(following.opening(None).min_freshness, "f");
    following.accept(update(1, &["a", "b"], &["a", "b"])).unwrap();
    following.shown(2, 0).unwrap();
    let open = following.opening(None);
    assert_eq!((open.resume_token.as_str(), open.shown_positions, open.min_freshness.as_str()), ("r1", 2, ""));
    following.change(pb::ListOptions { page_size: 7, ..pb::ListOptions::default() });
    let open = following.opening(None);
    assert_eq!((open.options.unwrap().page_size, open.shown_positions), (7, 0));
}

#[test]
fn the_next_connection_goes_on_after_what_waits_to_be_read() {
    let mut following = following();
    following.accept(update(1, &["a", "b"], &["a", "b"])).unwrap();
    following.shown(2, 1).unwrap();
    let mut waiting = pb::RecommendationUpdate { going_away: true, ..update(2, &["b", "a"], &[]) };
    let open = following.opening(Some(&mut waiting));
    assert_eq!((open.resume_token.as_str(), open.shown_positions), ("r2", 0));
    assert!(!waiting.going_away);
}

#[test]
fn updates_that_waited_become_one_with_the_details_of_all_and_the_newest_trigger() {
    let trigger = |id: &str| Some(pb::Trigger { event_id: id.into(), ..pb::Trigger::default() });
    let first = pb::RecommendationUpdate { trigger: trigger("one"), ..update(2, &["a", "b"], &["a", "b"]) };
    let second = update(3, &["c", "b"], &["c"]);
    let both = merged(first, second.clone());
    assert_eq!(both.trigger.as_ref().unwrap().event_id, "one");
    let ids: Vec<_> = both.recommendations.iter().map(|one| one.item_id.as_str()).collect();
    assert_eq!(ids, ["c", "b"]);
    let third = pb::RecommendationUpdate { trigger: trigger("two"), ..update(4, &["b"], &[]) };
    let all = merged(both, third);
    assert_eq!((all.trigger.unwrap().event_id.as_str(), all.recommendations.len()), ("two", 1));
    let repeated = merged(update(4, &["x"], &["x"]), second);
    assert_eq!((repeated.stream_sequence, repeated.resume_token.as_str()), (4, "r3"));
}

#[test]
fn changed_compares_with_the_list_read_before() {
    let mut following = following();
    following.accept(update(1, &["a", "b"], &["a", "b"])).unwrap();
    let back = merged(update(2, &["b", "a"], &[]), update(3, &["a", "b"], &[]));
    assert!(!following.accept(back).unwrap().unwrap().changed);
}

#[test]
fn only_what_was_read_can_be_shown() {
    let mut following = following();
    assert_eq!(following.shown(0, 0).unwrap_err().field(), "sequence");
    following.accept(update(3, &["a", "b"], &["a", "b"])).unwrap();
    assert_eq!(following.shown(1, 4).unwrap_err().field(), "sequence");
    assert_eq!(following.shown(3, 3).unwrap_err().field(), "positions");
    assert_eq!(following.shown(101, 2).unwrap_err().field(), "positions");
    // Of an older update its own length is not known any more.
    assert_eq!(following.shown(100, 2).unwrap(), Message::Shown(Shown { positions: 100, stream_sequence: 2 }));
    assert_eq!(following.shown(2, 0).unwrap(), Message::Shown(Shown { positions: 2, stream_sequence: 3 }));
}
