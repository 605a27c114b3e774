//! The task of a delivery: it owns the connection, and opens the next one where the last one ended.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxFuture;
use tonic::{Response, Status, Streaming};

use crate::backoff::Backoff;
use crate::client;
use crate::connection::Connection;
use crate::delivery::Shared;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::random;
use crate::status::from_call;

/// What goes out on one connection.
pub(crate) type Requests<X> = ReceiverStream<<X as Exchange>::Request>;
/// Opens a connection.
pub(crate) type Connect<X> =
    Box<dyn Fn(Requests<X>) -> BoxFuture<Response<Streaming<<X as Exchange>::Response>>, Status> + Send + Sync>;
/// Is told every answer, in order.
pub(crate) type Deliver<X> = Box<dyn FnMut(<X as Exchange>::Answer) + Send>;

/// Carries until everything is answered and nothing more will be put, or until it must give up.
pub(crate) async fn carry<X: Exchange>(
    shared: Arc<Shared<X>>,
    client: Arc<client::Shared>,
    connect: Connect<X>,
    mut deliver: Option<Deliver<X>>,
) {
    let ending = Ending(shared.clone());
    let failure = tokio::select! {
        biased;
        stopped = shared.until(|state| state.failure.clone()) => Some(stopped),
        delivered = converse_until_delivered(&shared, &client.connection, &connect, &mut deliver) => delivered.err(),
        impatience = patience(&shared) => Some(impatience),
        () = client.until_closed() => Some(Error::closed()),
    };
    let mut state = shared.state();
    // Once all is answered, how the last connection ended does not matter.
    let all = state.finished && state.outbox.is_empty();
    state.failure = if all { None } else { state.failure.take().or(failure) };
    state.ended = true;
    drop(state);
    drop(ending);
}

/// Whatever ends the task, a panic of the caller's own code too: nobody waits for ever.
struct Ending<X: Exchange>(Arc<Shared<X>>);

impl<X: Exchange> Drop for Ending<X> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if !state.ended {
            state.ended = true;
            let why = "the task that sends was ended from outside, or panicked";
            state.failure.get_or_insert_with(|| Error::new(tonic::Code::Cancelled, why));
        }
        drop(state);
        self.0.wake();
    }
}

/// Returns when an answer was awaited for too long.
async fn patience<X: Exchange>(shared: &Shared<X>) -> Error {
    loop {
        let due = shared.until(|state| state.due).await;
        sleep_until(due).await;
        let state = shared.state();
        if state.due.is_some_and(|due| due <= Instant::now()) {
            let (limit, left) = (shared.limits.patience, state.outbox.len());
            let silent = || Error::deadline(format!("no answer for {limit:?}, {left} elements are not answered"));
            return state.lost.clone().unwrap_or_else(silent);
        }
    }
}

async fn converse_until_delivered<X: Exchange>(
    shared: &Shared<X>,
    connection: &Connection,
    connect: &Connect<X>,
    deliver: &mut Option<Deliver<X>>,
) -> Result<(), Error> {
    let mut backoff = Backoff::default();
    loop {
        let waiting = shared.until(|state| match state.outbox.is_empty() {
            true => state.finished.then_some(None),
            false => Some(Some(state.outbox.settled())),
        });
        let Some(settled) = waiting.await else { return Ok(()) };
        let lost = match converse(shared, connect, deliver).await {
            Ok(()) => Error::unavailable("the service ended the stream before it had answered everything"),
            Err(error) if error.is_unavailable() => error,
            Err(error) => return Err(error),
        };
        let (now_settled, empty) = {
            let mut state = shared.state();
            state.lost = Some(lost.clone());
            (state.outbox.settled(), state.outbox.is_empty())
        };
        if empty {
            continue; // what is put next waits for no connection that nobody needed
        }
        if now_settled > settled {
            backoff.succeeded();
        }
        if now_settled == 0 && backoff.failures >= shared.retries {
            return Err(lost);
        }
        sleep(backoff.next(random::fraction())).await;
        if now_settled > 0 {
            connection.ready().await;
        }
    }
}

/// Speaks on one connection, and returns how it ended; `Ok`: the service ended it.
async fn converse<X: Exchange>(
    shared: &Shared<X>,
    connect: &Connect<X>,
    deliver: &mut Option<Deliver<X>>,
) -> Result<(), Error> {
    let (requests, outgoing) = mpsc::channel(1);
    {
        let state = &mut *shared.state();
        state.exchange.begin(&mut state.outbox);
    }
    let listen = async {
        let mut responses = connect(ReceiverStream::new(outgoing)).await.map_err(from_call)?.into_inner();
        while let Some(response) = responses.message().await.map_err(from_call)? {
            hear(shared, response, deliver)?;
        }
        Ok(())
    };
    tokio::select! {
        ended = listen => ended,
        never = talk(shared, requests) => match never {},
    }
}

/// Writes until nothing more will be put. A failed write says less than what [`converse`] is about to read.
async fn talk<X: Exchange>(shared: &Shared<X>, requests: mpsc::Sender<X::Request>) -> Infallible {
    while let Ok(room) = requests.reserve().await {
        let next = shared.until(|state| {
            if state.outbox.due() {
                return Some(Some(state.exchange.request(&mut state.outbox)));
            }
            (state.finished && !state.outbox.waiting()).then_some(None)
        });
        match next.await {
            Some(request) => room.send(request),
            None => break,
        }
    }
    drop(requests);
    pending().await
}

fn hear<X: Exchange>(shared: &Shared<X>, response: X::Response, deliver: &mut Option<Deliver<X>>) -> Result<(), Error> {
    let mut answers = Vec::new();
    let heard = {
        let state = &mut *shared.state();
        let heard = state.exchange.answers(&mut state.outbox, response, &mut answers);
        if answers.is_empty() {
            return heard; // a later service may say things that are not known here; they are no answer
        }
        state.lost = None;
        state.expect_answer(shared.limits);
        if deliver.is_none() {
            state.answers.append(&mut answers);
        }
        state.delivering = !answers.is_empty();
        heard
    };
    shared.wake(); // there is room again, even while the caller is busy with the answers
    if let (Some(deliver), false) = (deliver, answers.is_empty()) {
        answers.into_iter().for_each(deliver);
        shared.state().delivering = false;
        shared.wake();
    }
    heard
}
