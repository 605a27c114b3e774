//! Lists that follow a user: reads updates, and opens the next connection where the last one ended.
//!
//! A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
//! token it goes on for as long as the caller reads, whenever the service is unavailable or said that it goes away.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::codegen::BoxFuture;
use tonic::{Status, Streaming};

use crate::backoff::Backoff;
use crate::client;
use crate::error::Error;
use crate::mailbox::{Ending, Mailbox};
use crate::pb::penchant::v1 as pb;
use crate::random;
use crate::status::from_call;

/// Opens a connection.
pub(crate) type Connect = Box<dyn Fn() -> BoxFuture<Responses, Status> + Send + Sync>;

/// How a stream is opened, and how long it tries.
pub(crate) struct Line {
    pub(crate) client: Arc<client::Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) connect: Connect,
    /// Deadline of the first update, reconnections included.
    pub(crate) patience: Duration,
    /// More attempts before the first update.
    pub(crate) retries: u32,
}

/// The responses of either kind of stream.
pub(crate) enum Responses {
    Steered(Streaming<pb::StreamRecommendationsResponse>),
    Watched(Streaming<pb::WatchRecommendationsResponse>),
}

impl From<Streaming<pb::StreamRecommendationsResponse>> for Responses {
    fn from(responses: Streaming<pb::StreamRecommendationsResponse>) -> Self {
        Self::Steered(responses)
    }
}

impl From<Streaming<pb::WatchRecommendationsResponse>> for Responses {
    fn from(responses: Streaming<pb::WatchRecommendationsResponse>) -> Self {
        Self::Watched(responses)
    }
}

impl Responses {
    /// Returns the next response: its update, if it has one; `None` at the end.
    async fn next(&mut self) -> Result<Option<Option<pb::RecommendationUpdate>>, Status> {
        Ok(match self {
            Self::Steered(responses) => responses.message().await?.map(|response| response.update),
            Self::Watched(responses) => responses.message().await?.map(|response| response.update),
        })
    }
}

/// Carries a stream until it has ended.
pub(crate) async fn follow(line: Line) {
    let ending = Ending(line.mailbox.clone());
    let client = line.client.clone();
    let how = tokio::select! {
        how = connections(&line) => how,
        () = client.until_closed() => Err(Error::closed()),
    };
    line.mailbox.end(how);
    drop(ending);
}

async fn connections(line: &Line) -> Result<(), Error> {
    let due = Instant::now() + line.patience;
    let mut backoff = Backoff::default();
    loop {
        let ended = converse(line, due, &mut backoff).await;
        line.mailbox.disconnected();
        if !line.mailbox.goes_on(&ended, backoff.failures, line.retries) {
            return ended;
        }
        sleep(backoff.next(random::fraction())).await;
        if !line.mailbox.untold() {
            line.client.connection.ready().await;
        }
    }
}

/// Reads one connection to its end.
async fn converse(line: &Line, due: Instant, backoff: &mut Backoff) -> Result<(), Error> {
    let mut responses = in_time(line, due, (line.connect)()).await?;
    while let Some(update) = in_time(line, due, responses.next()).await? {
        if update.is_some_and(|update| line.mailbox.put(update)) {
            backoff.succeeded();
        }
    }
    Ok(())
}

/// Waits for something, before the first update not beyond its deadline.
async fn in_time<T>(line: &Line, due: Instant, work: impl Future<Output = Result<T, Status>>) -> Result<T, Error> {
    if !line.mailbox.untold() {
        return work.await.map_err(from_call);
    }
    match timeout_at(due, work).await {
        Ok(done) => done.map_err(from_call),
        Err(_) => Err(Error::deadline(format!("no first update within {:?}", line.patience))),
    }
}
