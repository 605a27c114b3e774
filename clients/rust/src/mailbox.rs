//! What stands between the connection of a stream and its reader: at most one update, the newest, and at most one message
//! of each kind to the service.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio_stream::Stream;

use crate::error::Error;
use crate::following::{Following, merged};
use crate::options::ListOptions;
use crate::pb::penchant::v1 as pb;
use crate::pb::penchant::v1::stream_recommendations_request::Message;
use crate::results::Update;
use crate::{encode, error};

/// How many updates the service remembers of a stream, to know which one positions were shown of.
const REMEMBERED: u64 = 16;

/// Shared by the task that carries a stream, its reader, and those who steer it.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    following: Following,
    /// What came and was not read, as one update.
    waiting: Option<pb::RecommendationUpdate>,
    /// Number of the newest update that came; 0 before the first.
    newest: u64,
    ended: Option<Result<(), Error>>,
    reader: Option<Waker>,
    outgoing: Outgoing,
}

/// What is to be said on the connection of the moment. What is newer says all that the older of its kind did, and a change
/// releases what was shown before it, so nothing piles up.
#[derive(Debug, Default)]
struct Outgoing {
    /// Number of the connection; messages for one that is gone are not sent.
    connection: u64,
    /// The last update that came before it; the service knows none before that.
    first: u64,
    live: bool,
    open: Option<Message>,
    change: Option<Message>,
    shown: Option<Message>,
    writer: Option<Waker>,
}

impl Mailbox {
    pub(crate) fn new(following: Following) -> Self {
        let state =
            State { following, waiting: None, newest: 0, ended: None, reader: None, outgoing: Outgoing::default() };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is held")
    }

    /// Returns how the next connection of a stream that only listens begins.
    pub(crate) fn opening(&self) -> pb::StreamStart {
        self.state().opening()
    }

    /// Begins the next connection of a stream that is steered; returns what is said on it.
    pub(crate) fn introduce(self: &Arc<Self>) -> Requests {
        let mut state = self.state();
        let first = state.newest;
        let open = Message::Open(state.opening());
        let connection = state.outgoing.connection + 1;
        // What was told meanwhile is in the introduction; the writer of the connection before ends.
        let before = std::mem::take(&mut state.outgoing);
        state.outgoing = Outgoing { connection, first, live: true, open: Some(open), ..Outgoing::default() };
        before.writer.inspect(Waker::wake_by_ref);
        Requests { mailbox: self.clone(), connection }
    }

    /// The connection is gone, or shall go: until the next one there is nobody to tell.
    pub(crate) fn disconnected(&self) {
        let mut state = self.state();
        state.outgoing.live = false;
        state.wake_writer(); // a call goes on for as long as something may be said on it
    }

    /// Keeps an update until it is read. Returns whether it is news, and of a connection that goes on.
    pub(crate) fn put(&self, update: pb::RecommendationUpdate) -> bool {
        let mut state = self.state();
        let news = update.stream_sequence > state.newest && !update.going_away;
        state.newest = state.newest.max(update.stream_sequence);
        state.waiting = Some(match state.waiting.take() {
            Some(earlier) => merged(earlier, update),
            None => update,
        });
        state.wake_reader();
        news
    }

    /// True before the first update came.
    pub(crate) fn untold(&self) -> bool {
        self.state().newest == 0
    }

    /// Returns whether another connection follows one that ended so, after so many failures.
    pub(crate) fn goes_on(&self, ended: &Result<(), Error>, failures: u32, retries: u32) -> bool {
        let state = self.state();
        match ended {
            Ok(()) => state.waiting.as_ref().map_or(state.following.going_away, |update| update.going_away),
            Err(error) => {
                let untold = state.newest == 0 && failures < retries;
                error.is_unavailable() && (untold || state.following.resumable(state.waiting.as_ref()))
            }
        }
    }

    /// Says how the stream ended; only the first word counts.
    pub(crate) fn end(&self, how: Result<(), Error>) {
        let mut state = self.state();
        state.ended.get_or_insert(how);
        state.wake_reader();
    }

    /// Returns what came since the last time, as one update; `None` when the stream has ended.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Update, Error>>> {
        let mut state = self.state();
        while let Some(message) = state.waiting.take() {
            match state.following.accept(message) {
                Ok(Some(update)) => return Poll::Ready(Some(Ok(update))),
                Ok(None) => {}
                Err(error) => state.ended = Some(Err(error)),
            }
        }
        match state.ended.replace(Ok(())) {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                state.ended = None;
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Says that the first so many positions of an update are seen.
    pub(crate) fn shown(&self, positions: usize, sequence: u64) -> Result<(), Error> {
        let mut state = self.state();
        let message = state.following.shown(positions, sequence)?;
        let sequence = if sequence == 0 { state.following.sequence } else { sequence };
        // Of an update that the service has forgotten it would end the stream; the reader is about to read a newer one.
        let remembered = sequence >= state.outgoing.first && state.newest - sequence < REMEMBERED;
        if state.outgoing.live && remembered {
            state.outgoing.shown = Some(message);
            state.wake_writer();
        }
        Ok(())
    }

    /// Says what the list should look like from now on.
    pub(crate) fn change(&self, options: ListOptions) {
        let mut state = self.state();
        let message = state.following.change(encode::options(options));
        if state.outgoing.live {
            state.outgoing.change = Some(message);
            state.outgoing.shown = None;
            state.wake_writer();
        }
    }
}

impl State {
    fn opening(&mut self) -> pb::StreamStart {
        self.following.opening(self.waiting.as_mut())
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.outgoing.writer.take() {
            writer.wake();
        }
    }
}

/// What is said on one connection.
pub(crate) struct Requests {
    mailbox: Arc<Mailbox>,
    connection: u64,
}

impl Stream for Requests {
    type Item = pb::StreamRecommendationsRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.mailbox.state();
        let outgoing = &mut state.outgoing;
        if outgoing.connection != self.connection || !outgoing.live {
            return Poll::Ready(None);
        }
        match outgoing.open.take().or_else(|| outgoing.change.take()).or_else(|| outgoing.shown.take()) {
            Some(message) => Poll::Ready(Some(pb::StreamRecommendationsRequest { message: Some(message) })),
            None => {
                outgoing.writer = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The task that carries a stream has ended, whatever became of it: its reader must not wait for ever.
pub(crate) struct Ending(pub(crate) Arc<Mailbox>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.disconnected();
        self.0.end(Err(error::Error::new(tonic::Code::Cancelled, "the stream was ended from outside")));
    }
}

#[cfg(test)]
#[path = "tests/mailbox.rs"]
mod tests;
