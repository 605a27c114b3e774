//! Carries elements over a stream of requests and responses until all have their answers, over as many connections as it
//! takes.
//!
//! The rules: at most a window of elements is unanswered; requests are filled with what is there; UNAVAILABLE, or a stream
//! that the service ends early, opens the next connection, which begins with the oldest element that was not answered. It
//! gives up when the service was never heard after so many retries, or when something waits for an answer for longer than
//! its patience. Without anything to send it asks for no connection.
//!
//! One task, [`crate::carry`], owns the connection; it shares [`State`] with those who put and wait.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::carry::{Connect, Deliver, carry};
use crate::client;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::options::SendOptions;
use crate::outbox::Outbox;

/// One delivery; dropping it ends it.
pub(crate) struct Delivery<X: Exchange>(pub(crate) Arc<Shared<X>>);

/// What the task and its callers share.
pub(crate) struct Shared<X: Exchange> {
    pub(crate) limits: SendOptions,
    /// More attempts to reach a service that was never heard.
    pub(crate) retries: u32,
    state: Mutex<State<X>>,
    changed: Notify,
}

pub(crate) struct State<X: Exchange> {
    pub(crate) outbox: Outbox<X::Element>,
    pub(crate) exchange: X,
    /// Answers that nobody has fetched yet.
    pub(crate) answers: Vec<X::Answer>,
    /// Answers are being told to someone.
    pub(crate) delivering: bool,
    /// Nothing more will be put.
    pub(crate) finished: bool,
    /// The task has ended.
    pub(crate) ended: bool,
    /// Why it gave up, or shall.
    pub(crate) failure: Option<Error>,
    /// Why there is no connection at the moment.
    pub(crate) lost: Option<Error>,
    /// When patience ends; `None`: nothing is awaited.
    pub(crate) due: Option<Instant>,
}

impl<X: Exchange> Delivery<X> {
    /// Begins to carry, in a task of its own.
    pub(crate) fn start(
        client: Arc<client::Shared>,
        limits: SendOptions,
        exchange: X,
        connect: Connect<X>,
        deliver: Option<Deliver<X>>,
    ) -> Self {
        let state = State {
            outbox: Outbox::new(limits.batch, limits.window),
            exchange,
            answers: Vec::new(),
            delivering: false,
            finished: false,
            ended: false,
            failure: None,
            lost: None,
            due: None,
        };
        let retries = client.retries;
        let shared = Arc::new(Shared { limits, retries, state: Mutex::new(state), changed: Notify::new() });
        tokio::spawn(carry(shared.clone(), client, connect, deliver));
        Self(shared)
    }

    /// Waits for room and hands an element over.
    pub(crate) async fn put(&self, element: X::Element) -> Result<(), Error> {
        let mut element = Some(element);
        let window = self.0.limits.window;
        self.0
            .until(|state| {
                if let Some(failure) = &state.failure {
                    return Some(Err(failure.clone()));
                }
                if state.finished {
                    let message = "the recorder is closed; make a new one";
                    return Some(Err(Error::new(tonic::Code::FailedPrecondition, message)));
                }
                if state.outbox.len() >= window {
                    return None;
                }
                if let Some(element) = element.take() {
                    state.add(element, self.0.limits);
                }
                Some(Ok(()))
            })
            .await?;
        self.0.wake();
        Ok(())
    }

    /// Waits until there is room.
    pub(crate) async fn room(&self) -> Result<(), Error> {
        let window = self.0.limits.window;
        self.0
            .until(|state| match &state.failure {
                Some(failure) => Some(Err(failure.clone())),
                None => (state.outbox.len() < window).then_some(Ok(())),
            })
            .await
    }

    /// Waits for answers and returns them; none when everything was answered.
    pub(crate) async fn receive(&self) -> Result<Vec<X::Answer>, Error> {
        self.0
            .until(|state| {
                if !state.answers.is_empty() {
                    return Some(Ok(std::mem::take(&mut state.answers)));
                }
                match &state.failure {
                    Some(failure) => Some(Err(failure.clone())),
                    None => state.ended.then(|| Ok(Vec::new())),
                }
            })
            .await
    }

    /// Waits until nothing that was put is unanswered and all answers were told; returns those that nobody fetched.
    pub(crate) async fn flush(&self) -> Result<Vec<X::Answer>, Error> {
        self.0
            .until(|state| {
                if state.outbox.is_empty() && !state.delivering {
                    return Some(Ok(std::mem::take(&mut state.answers)));
                }
                state.failure.clone().map(Err)
            })
            .await
    }

    /// Waits until the task has ended, which it does once everything is answered after [`Closable::finish`], and returns
    /// the answers that nobody fetched, or why something was left.
    pub(crate) async fn delivered(&self) -> Result<Vec<X::Answer>, Error> {
        self.0
            .until(|state| {
                let failure = || state.failure.clone().unwrap_or_else(Error::closed);
                let all = state.outbox.is_empty();
                state.ended.then(|| if all { Ok(()) } else { Err(failure()) })
            })
            .await?;
        Ok(std::mem::take(&mut self.0.state().answers))
    }
}

impl<X: Exchange> Drop for Delivery<X> {
    fn drop(&mut self) {
        self.0.stop(Error::new(tonic::Code::Cancelled, "it was dropped before everything was answered"));
    }
}

impl<X: Exchange> Shared<X> {
    pub(crate) fn state(&self) -> MutexGuard<'_, State<X>> {
        self.state.lock().expect("no panic while it is held")
    }

    /// Lets all who wait look again.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until something is so.
    pub(crate) async fn until<T>(&self, mut ready: impl FnMut(&mut State<X>) -> Option<T>) -> T {
        loop {
            // Whoever wakes after this line is heard, even before it is awaited.
            let changed = self.changed.notified();
            if let Some(found) = ready(&mut self.state()) {
                return found;
            }
            changed.await;
        }
    }
}

impl<X: Exchange> State<X> {
    fn add(&mut self, element: X::Element, limits: SendOptions) {
        self.outbox.put(element);
        if self.outbox.len() == 1 {
            self.expect_answer(limits);
        }
    }

    /// Gives the service its full time anew.
    pub(crate) fn expect_answer(&mut self, limits: SendOptions) {
        // A patience beyond what a clock can hold is one that never ends.
        self.due = if self.outbox.is_empty() { None } else { Instant::now().checked_add(limits.patience) };
    }
}

/// A delivery as its client sees it when it is closed.
pub(crate) trait Closable: Send + Sync {
    /// Says that nothing more will be put.
    fn finish(&self);
    /// Waits until it has ended; returns why it gave up, if it did.
    fn ended(&self) -> Pin<Box<dyn Future<Output = Option<Error>> + Send + '_>>;
    /// Returns how many elements are not answered.
    fn unanswered_count(&self) -> usize;
    /// Ends it as it stands, for a reason.
    fn stop(&self, why: Error);
}

impl<X: Exchange> Closable for Shared<X> {
    fn finish(&self) {
        self.state().finished = true;
        self.wake();
    }

    fn ended(&self) -> Pin<Box<dyn Future<Output = Option<Error>> + Send + '_>> {
        Box::pin(self.until(|state| state.ended.then(|| state.failure.clone())))
    }

    fn unanswered_count(&self) -> usize {
        self.state().outbox.len()
    }

    fn stop(&self, why: Error) {
        let mut state = self.state();
        if !state.ended {
            state.failure.get_or_insert(why);
        }
        drop(state);
        self.wake();
    }
}
