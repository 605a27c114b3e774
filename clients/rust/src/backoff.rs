//! The pauses before streams are opened again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// Delays that double from 50 ms to 5 s, each shortened by up to a half at random so that clients spread out.
///
/// It paces streams only, since their client alone knows where the last one stopped; unary calls go by [`crate::retry`].
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Delays taken since the last success.
    pub(crate) failures: u32,
}

impl Backoff {
    /// Returns how long to wait before the next attempt; `draw` is in [0, 1).
    pub(crate) fn next(&mut self, draw: f64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        longest.mul_f64(1.0 - draw / 2.0)
    }

    /// Begins again with the shortest delay.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.next(0.0).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        backoff.succeeded();
        assert_eq!(backoff.next(0.0).as_millis(), 50);
    }

    #[test]
    fn a_delay_is_shortened_by_up_to_a_half() {
        assert_eq!(Backoff::default().next(0.5), Duration::from_micros(37_500));
        assert!(Backoff::default().next(0.999_999) > Duration::from_millis(25));
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX - 1 };
        assert_eq!(backoff.next(0.0), LONGEST);
    }
}
