//! Verbs of lists that follow a user.

use std::pin::Pin;
use std::time::Duration;

use penchant::{Error, Steering, Update};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::{Stream, StreamExt};

use crate::Driver;
use crate::answers::{Failure, update_of};
use crate::requests::Request;

type Updates = Pin<Box<dyn Stream<Item = Result<Update, Error>> + Send>>;

/// A stream that was opened.
pub(crate) struct Opened {
    reading: Reading,
    /// None: it only listens.
    steering: Option<Steering>,
}

/// Who reads it.
enum Reading {
    /// A task, all the time.
    Eager(mpsc::UnboundedReceiver<Result<Update, Error>>),
    /// `next`, and nobody else; the first look at it, which connects, may have given something.
    Lazy(Updates, Option<Box<Result<Update, Error>>>),
}

impl Reading {
    async fn lazy(mut updates: Updates) -> Self {
        let first = timeout(Duration::ZERO, updates.next()).await.ok().flatten();
        Self::Lazy(updates, first.map(Box::new))
    }

    fn eager(mut updates: Updates) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let read = async {
                while let Some(update) = updates.next().await {
                    if sender.send(update).is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = read => {}
                () = sender.closed() => {}
            }
        });
        Self::Eager(receiver)
    }

    async fn next(&mut self) -> Option<Result<Update, Error>> {
        match self {
            Self::Eager(updates) => updates.recv().await,
            Self::Lazy(updates, first) => match first.take() {
                Some(first) => Some(*first),
                None => updates.next().await,
            },
        }
    }

    async fn within(&mut self, time: Duration) -> Result<Update, Failure> {
        let taken = timeout(time, self.next()).await.map_err(|_| Failure::NoUpdate)?;
        Ok(taken.ok_or(Failure::NoUpdate)??)
    }
}

impl Driver {
    pub(crate) async fn open_stream(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let reading = asked.reading();
        let client = self.client(&asked)?;
        let (updates, steering): (Updates, _) = if asked.watch {
            (Box::pin(client.watch(&asked.user_id, reading)), None)
        } else {
            let stream = client.stream(&asked.user_id, reading);
            let steering = stream.steering();
            (Box::pin(stream), Some(steering))
        };
        let reading = if asked.lazy { Reading::lazy(updates).await } else { Reading::eager(updates) };
        let opened = Opened { reading, steering };
        self.streams.insert(asked.name, opened);
        Ok(json!({}))
    }

    pub(crate) async fn next(&mut self, asked: Request) -> Result<Value, Failure> {
        sleep(Duration::from_millis(asked.after)).await;
        let found = self.opened(&asked)?.reading.within(Duration::from_millis(asked.within)).await?;
        Ok(update_of(&found))
    }

    pub(crate) async fn latest(&mut self, asked: Request) -> Result<Value, Failure> {
        sleep(Duration::from_millis(asked.after)).await;
        let reading = &mut self.opened(&asked)?.reading;
        let mut newest = reading.within(Duration::ZERO).await?;
        loop {
            match reading.within(Duration::ZERO).await {
                Ok(newer) => newest = newer,
                Err(Failure::NoUpdate) => return Ok(update_of(&newest)),
                Err(failure) => return Err(failure),
            }
        }
    }

    pub(crate) fn shown(&mut self, asked: Request) -> Result<Value, Failure> {
        self.steering(&asked)?.shown(asked.positions, asked.sequence)?;
        Ok(json!({}))
    }

    pub(crate) fn change(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let options = std::mem::take(&mut asked.options).value();
        self.steering(&asked)?.change(options);
        Ok(json!({}))
    }

    pub(crate) fn close_stream(&mut self, asked: Request) -> Result<Value, Failure> {
        self.opened(&asked)?;
        self.streams.remove(&asked.name);
        Ok(json!({}))
    }

    fn opened(&mut self, asked: &Request) -> Result<&mut Opened, Failure> {
        let name = &asked.name;
        self.streams.get_mut(name).ok_or_else(|| Failure::Unsupported(format!("there is no stream {name}")))
    }

    fn steering(&mut self, asked: &Request) -> Result<&Steering, Failure> {
        let only_listens = || Failure::Unsupported(format!("{} only listens", asked.name));
        self.opened(asked)?.steering.as_ref().ok_or_else(only_listens)
    }
}
