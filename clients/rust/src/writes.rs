//! The last write of each user, so that reads can wait for it.

use std::collections::{HashMap, VecDeque};

/// Users that are remembered; the one who wrote longest ago is forgotten first.
const MOST: usize = 10_000;

/// Freshness tokens by user.
#[derive(Debug, Default)]
pub(crate) struct LastWrites {
    tokens: HashMap<String, (String, u64)>,
    /// Users by the number of their write, oldest first; a number that is no longer the user's last is passed over.
    ages: VecDeque<(u64, String)>,
    writes: u64,
}

impl LastWrites {
    /// Keeps the token of a user's newest write.
    pub(crate) fn remember(&mut self, user_id: &str, token: &str) {
        if token.is_empty() {
            return;
        }
        self.writes += 1;
        self.tokens.insert(user_id.to_owned(), (token.to_owned(), self.writes));
        self.ages.push_back((self.writes, user_id.to_owned()));
        if self.tokens.len() > MOST {
            self.forget_oldest();
        }
        if self.ages.len() > 2 * MOST {
            let tokens = &self.tokens;
            self.ages.retain(|(write, user)| tokens.get(user).is_some_and(|(_, last)| last == write));
        }
    }

    /// Returns the token of the user's latest write; empty when there is none.
    pub(crate) fn of(&self, user_id: &str) -> String {
        self.tokens.get(user_id).map(|(token, _)| token.clone()).unwrap_or_default()
    }

    fn forget_oldest(&mut self) {
        while let Some((write, user)) = self.ages.pop_front() {
            if self.tokens.get(&user).is_some_and(|(_, last)| *last == write) {
                self.tokens.remove(&user);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_token_of_a_user_counts() {
        let mut writes = LastWrites::default();
        writes.remember("ana", "f1");
        writes.remember("ana", "f2");
        writes.remember("ana", "");
        assert_eq!(writes.of("ana"), "f2");
        assert_eq!(writes.of("li"), "");
    }

    #[test]
    fn those_who_wrote_longest_ago_are_forgotten() {
        let mut writes = LastWrites::default();
        writes.remember("first", "f0");
        writes.remember("second", "f0");
        for user in 2..MOST {
            writes.remember(&user.to_string(), "f1");
        }
        writes.remember("first", "f2");
        writes.remember("one too many", "f3");
        assert_eq!(writes.of("first"), "f2");
        assert_eq!(writes.of("second"), "");
        assert_eq!(writes.of("2"), "f1");
    }

    #[test]
    fn a_user_who_writes_without_end_costs_bounded_memory() {
        let mut writes = LastWrites::default();
        for write in 0..10 * MOST {
            writes.remember("ana", &write.to_string());
        }
        assert!(writes.ages.len() <= 2 * MOST);
        assert_eq!(writes.of("ana"), (10 * MOST - 1).to_string());
    }
}
