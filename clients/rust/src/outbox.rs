//! What was handed over for a stream and is not yet answered: in order, ready to be sent again. Pure.
//!
//! The service answers in the order of the requests, so an answer always settles the oldest elements in flight. When a
//! connection breaks, everything in flight waits again, at the front; the service knows the events and items that it has
//! already taken by their ids, so that sending them twice changes nothing.

use std::collections::VecDeque;

use prost::Message;

use crate::error::Error;

/// Most elements that the contract allows in one request.
pub(crate) const MOST_IN_A_REQUEST: usize = 1_000;
/// A request is closed before it grows beyond this; servers refuse messages above 4 MiB by default.
pub(crate) const REQUEST_BYTES: usize = 1 << 20;

/// Elements on their way, sent `batch` or fewer at a time.
///
/// What waits is sent at once, unless there are as many requests in flight as the window has room for full ones. Those who
/// put faster than the service answers would otherwise send one element in each request, which costs both sides dearly.
#[derive(Debug)]
pub(crate) struct Outbox<E> {
    batch: usize,
    /// Most requests in flight that are not full.
    requests: usize,
    /// Elements answered so far: the position of the oldest one that was not.
    settled: u64,
    /// Those in flight, and behind them those that wait.
    elements: VecDeque<E>,
    in_flight: usize,
    /// Sizes of the requests in flight, as far as they are not answered.
    sizes: VecDeque<usize>,
}

impl<E: Message + Clone> Outbox<E> {
    pub(crate) fn new(batch: usize, window: usize) -> Self {
        let requests = (window / batch).max(1);
        Self { batch, requests, settled: 0, elements: VecDeque::new(), in_flight: 0, sizes: VecDeque::new() }
    }

    /// Returns how many elements are not answered.
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// True when everything is answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// True when something was never sent on this connection.
    pub(crate) fn waiting(&self) -> bool {
        self.in_flight < self.elements.len()
    }

    /// True when something is to be sent now.
    pub(crate) fn due(&self) -> bool {
        let waiting = self.elements.len() - self.in_flight;
        waiting >= self.batch || waiting > 0 && self.sizes.len() < self.requests
    }

    /// Returns how many elements were answered so far.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// Adds an element behind all others.
    pub(crate) fn put(&mut self, element: E) {
        self.elements.push_back(element);
    }

    /// Returns the next elements to send, none when nothing waits; they are in flight from now on.
    pub(crate) fn take(&mut self) -> Vec<E> {
        let mut size = 0;
        let mut taken = Vec::new();
        for element in self.elements.range(self.in_flight..).take(self.batch) {
            size += element.encoded_len();
            if !taken.is_empty() && size > REQUEST_BYTES {
                break;
            }
            taken.push(element.clone());
        }
        if !taken.is_empty() {
            self.in_flight += taken.len();
            self.sizes.push_back(taken.len());
        }
        taken
    }

    /// Lets go of the oldest elements in flight and returns them.
    pub(crate) fn settle(&mut self, count: usize) -> Result<std::collections::vec_deque::Drain<'_, E>, Error> {
        if count > self.in_flight {
            let message = format!("the service answered {count} elements where {} were sent", self.in_flight);
            return Err(Error::internal(message));
        }
        self.in_flight -= count;
        self.settled += count as u64;
        let mut left = count;
        while let Some(size) = self.sizes.front_mut() {
            let answered = left.min(*size);
            *size -= answered;
            left -= answered;
            if *size > 0 {
                break;
            }
            self.sizes.pop_front();
        }
        Ok(self.elements.drain(..count))
    }

    /// Lets everything in flight wait again, in the same order.
    pub(crate) fn rewind(&mut self) {
        self.in_flight = 0;
        self.sizes.clear();
    }

    /// Returns everything that is not answered, oldest first.
    pub(crate) fn rest(&self) -> Vec<E> {
        self.elements.iter().cloned().collect()
    }
}

#[cfg(test)]
#[path = "tests/outbox.rs"]
mod tests;
