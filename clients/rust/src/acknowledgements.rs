//! Many values over one stream, and what became of each.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};

use crate::delivery::{Closable, Delivery};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::results::Acknowledged;

/// What became of each of many events, in order; from [`Client::record_many`](crate::Client::record_many). An error is the
/// last element. Dropping it ends the sending.
#[derive(Debug)]
#[must_use = "events are sent while the answers are read"]
pub struct Acknowledgements(mpsc::Receiver<Result<Acknowledged, Error>>);

impl Acknowledgements {
    /// Returns one that carries all values in a task of its own.
    pub(crate) fn of<V, X>(delivery: Delivery<X>, values: V, encode: fn(V::Item) -> Result<X::Element, Error>) -> Self
    where
        V: Stream + Send + 'static,
        V::Item: Send,
        X: Exchange<Answer = Acknowledged>,
    {
        // One who reads slowly holds back the answers, they hold back the events, and so the window bounds all of it.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let give = |answer| {
                let sender = sender.clone();
                async move { sender.send(Ok(answer)).await.is_ok() }
            };
            tokio::select! {
                carried = deliver_all(delivery, values, encode, give) => {
                    if let Err(error) = carried {
                        let _ = sender.send(Err(error)).await; // nobody listens any more
                    }
                }
                () = sender.closed() => {}
            }
        });
        Self(receiver)
    }

    pub(crate) fn refused(error: Error) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let _ = sender.try_send(Err(error)); // there is room for one
        Self(receiver)
    }
}

impl Stream for Acknowledgements {
    type Item = Result<Acknowledged, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Carries all values, reading them as there is room, and gives their answers, until one of them is not wanted.
pub(crate) async fn deliver_all<V, X, G>(
    delivery: Delivery<X>,
    values: V,
    encode: fn(V::Item) -> Result<X::Element, Error>,
    mut give: impl FnMut(X::Answer) -> G,
) -> Result<(), Error>
where
    V: Stream,
    X: Exchange,
    G: Future<Output = bool>,
{
    let mut values = pin!(values);
    loop {
        let next = async {
            delivery.room().await?;
            Ok(values.next().await)
        };
        let answers = tokio::select! {
            biased;
            answers = delivery.receive() => answers?,
            value = next => match value? {
                Some(value) => {
                    delivery.put(encode(value)?).await?;
                    continue;
                }
                None => break,
            },
        };
        for answer in answers {
            if !give(answer).await {
                return Ok(());
            }
        }
    }
    delivery.0.finish();
    loop {
        let answers = delivery.receive().await?;
        if answers.is_empty() {
            return Ok(());
        }
        for answer in answers {
            if !give(answer).await {
                return Ok(());
            }
        }
    }
}
