//! Lists that follow a user, as their readers see them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::AbortHandle;
use tokio_stream::Stream;

use crate::error::Error;
use crate::follow::{Line, follow};
use crate::mailbox::Mailbox;
use crate::options::ListOptions;
use crate::results::Update;

/// The updates of a user's list, each of them the whole list; from [`Client::watch`](crate::Client::watch).
///
/// It connects when it is first read, and goes on by itself when the connection breaks or the service restarts. It never
/// gives an update twice. A reader that is slow is given the newest list and not those between. An error is the last
/// element; it is [`Kind::DeadlineExceeded`](crate::Kind::DeadlineExceeded) when no first update comes within the client's
/// timeout. Dropping it ends it.
#[derive(Debug)]
#[must_use = "streams do nothing unless they are read"]
pub struct UpdateStream(Reader);

impl UpdateStream {
    pub(crate) fn new(line: Line) -> Self {
        Self(Reader::new(line))
    }
}

impl Stream for UpdateStream {
    type Item = Result<Update, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll(context)
    }
}

/// The updates of a user's list that can be steered; from [`Client::stream`](crate::Client::stream). It is read as an
/// [`UpdateStream`] is.
#[derive(Debug)]
#[must_use = "streams do nothing unless they are read"]
pub struct RecommendationStream {
    reader: Reader,
    steering: Steering,
}

impl RecommendationStream {
    pub(crate) fn new(line: Line) -> Self {
        let steering = Steering(line.mailbox.clone());
        Self { reader: Reader::new(line), steering }
    }

    /// Says that the first so many positions, 0–100, of an update are on the user's screen: they stay as they are.
    /// `sequence` is that update's; 0: of the last one that was read. Returns at once; without a connection the next one
    /// tells it. Of an update that the service has forgotten, after 16 newer ones or on another connection, nothing is
    /// said: a newer list is about to be read. Fails when the update has no such positions.
    pub fn shown(&self, positions: usize, sequence: u64) -> Result<(), Error> {
        self.steering.shown(positions, sequence)
    }

    /// Says what the list should look like from now on. Positions that were shown are released.
    pub fn change(&self, options: ListOptions) {
        self.steering.change(options);
    }

    /// Returns what steers the stream from other tasks.
    pub fn steering(&self) -> Steering {
        self.steering.clone()
    }
}

impl Stream for RecommendationStream {
    type Item = Result<Update, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.reader.poll(context)
    }
}

/// Steers a [`RecommendationStream`], from any task; cheap to clone.
#[derive(Clone, Debug)]
pub struct Steering(Arc<Mailbox>);

impl Steering {
    /// Says what was seen: see [`RecommendationStream::shown`].
    pub fn shown(&self, positions: usize, sequence: u64) -> Result<(), Error> {
        self.0.shown(positions, sequence)
    }

    /// Says what the list should look like: see [`RecommendationStream::change`].
    pub fn change(&self, options: ListOptions) {
        self.0.change(options);
    }
}

/// Starts the task that carries a stream when it is first read, and ends it when it is dropped.
struct Reader {
    mailbox: Arc<Mailbox>,
    /// None once it was started.
    line: Option<Line>,
    task: Option<AbortHandle>,
}

impl Reader {
    fn new(line: Line) -> Self {
        Self { mailbox: line.mailbox.clone(), line: Some(line), task: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Update, Error>>> {
        if let Some(line) = self.line.take() {
            self.task = Some(tokio::spawn(follow(line)).abort_handle());
        }
        let polled = self.mailbox.poll(context);
        if let (Poll::Ready(Some(Err(_)) | None), Some(task)) = (&polled, &self.task) {
            task.abort(); // an update that could not be read ends it here
        }
        polled
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("started", &self.task.is_some()).finish_non_exhaustive()
    }
}
