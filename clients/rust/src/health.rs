//! When a server that could not be reached is tried again. Pure.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
/// Longest wait before a reconnection, chance included.
pub(crate) const LONGEST: Duration = Duration::from_millis(700);
const MULTIPLIER: f64 = 1.6;
const JITTER: f64 = 0.2;

/// What is known of one server: waits grow from 100 ms to 0.7 s while it cannot be reached.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    again_at: Option<Instant>,
}

impl Health {
    /// Returns when the next attempt is due; `None`: at once.
    pub(crate) fn paused(&self, now: Instant) -> Option<Instant> {
        self.again_at.filter(|due| *due > now)
    }

    /// It answered.
    pub(crate) fn works(&mut self) {
        *self = Self::default();
    }

    /// It could not be reached; `draw` is in [0, 1). Failures during a wait are those that it is for.
    pub(crate) fn fails(&mut self, now: Instant, draw: f64) {
        if self.paused(now).is_none() {
            let longest = FIRST.mul_f64(MULTIPLIER.powi(self.failures.min(16) as i32)).min(LONGEST);
            self.again_at = Some(now + longest.mul_f64(1.0 - JITTER * draw));
            self.failures += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_with_an_answer() {
        let mut health = Health::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            health.fails(now, 0.0);
            let due = health.paused(now).unwrap();
            waits.push((due - now).as_millis());
            now = due;
            assert_eq!(health.paused(now), None);
        }
        assert_eq!(waits, [100, 160, 256, 409, 655, 700, 700, 700]);
        health.works();
        health.fails(now, 0.5);
        assert_eq!(health.paused(now), Some(now + Duration::from_millis(90)));
    }

    #[test]
    fn a_hundred_calls_that_fail_at_once_are_one_failure() {
        let mut health = Health::default();
        let now = Instant::now();
        for _ in 0..100 {
            health.fails(now, 0.0);
        }
        assert_eq!(health.paused(now), Some(now + FIRST));
    }
}
