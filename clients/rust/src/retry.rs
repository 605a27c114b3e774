//! When a unary call is tried again. tonic knows no service config, so the numbers of `service_config.json` stand here,
//! and a test compares them with the file, which clients in all languages begin with, byte for byte.

use std::time::Duration;

/// More attempts by default.
pub(crate) const DEFAULT_RETRIES: u32 = 3;
/// Most attempts beyond the first one that gRPC allows.
pub(crate) const MOST_RETRIES: u32 = 4;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
const MULTIPLIER: f64 = 3.0;
/// Part of a pause that chance adds or takes away, as gRPC's own retries do (gRFC A6).
const JITTER: f64 = 0.2;

/// Returns the pause before attempt `failures + 1`; `draw` is in [0, 1).
///
/// All of the default together are longer than the longest wait before a reconnection, even where chance shortens each:
/// a call in the second after a restart works.
pub(crate) fn pause(failures: u32, draw: f64) -> Duration {
    let longest = FIRST.mul_f64(MULTIPLIER.powi(failures.min(MOST_RETRIES) as i32)).min(LONGEST);
    longest.mul_f64(1.0 - JITTER + 2.0 * JITTER * draw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_service_config() {
        let config: serde_json::Value = serde_json::from_str(include_str!("../service_config.json")).unwrap();
        assert_eq!(config["loadBalancingConfig"], serde_json::json!([{ "round_robin": {} }]));
        let [method] = config["methodConfig"].as_array().unwrap().as_slice() else { panic!("one rule for all") };
        let seconds = |time: Duration| format!("{}s", time.as_secs_f64());
        let policy = serde_json::json!({
            "maxAttempts": DEFAULT_RETRIES + 1,
            "initialBackoff": seconds(FIRST),
            "maxBackoff": seconds(LONGEST),
            "backoffMultiplier": MULTIPLIER as u32,
            "retryableStatusCodes": ["UNAVAILABLE"],
        });
        assert_eq!(method["retryPolicy"], policy);
        // `Client::ask` retries whatever it asks: those, and no others.
        let names: Vec<_> =
            method["name"].as_array().unwrap().iter().map(|one| one["method"].as_str().unwrap()).collect();
        let asked = [
            "RecordEvent",
            "DeleteItems",
            "GetItem",
            "ListItems",
            "Recommend",
            "SimilarItems",
            "SearchItems",
            "GetInterests",
        ];
        assert_eq!(names, asked);
    }

    #[test]
    fn pauses_grow_and_are_spread_by_a_fifth() {
        let pauses: Vec<_> = (0..5).map(|failures| pause(failures, 0.5).as_millis()).collect();
        assert_eq!(pauses, [100, 300, 900, 2_700, 5_000]);
        assert_eq!(pause(0, 0.0), Duration::from_millis(80));
        assert!(pause(0, 0.999_999) < Duration::from_millis(120));
    }

    #[test]
    fn the_shortest_pauses_of_a_call_outlast_the_longest_wait_before_a_reconnection() {
        let together: Duration = (0..DEFAULT_RETRIES).map(|failures| pause(failures, 0.0)).sum();
        assert!(together > crate::health::LONGEST);
    }
}
