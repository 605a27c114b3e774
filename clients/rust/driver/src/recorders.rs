//! Verbs of long streams of events.

use penchant::{Event, Recorder};
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::Driver;
use crate::answers::{Failure, acknowledged_of};
use crate::requests::Request;

impl Driver {
    pub(crate) async fn record_many(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let events: Vec<Event> = asked.events.drain(..).map(|one| one.value()).collect();
        let acknowledged = self.client(&asked)?.record_many(events, asked.sends());
        let answers = acknowledged.collect::<Result<Vec<_>, _>>().await?;
        Ok(acknowledged_of(&answers))
    }

    pub(crate) fn open_recorder(&mut self, asked: Request) -> Result<Value, Failure> {
        let recorder = self.client(&asked)?.recorder(asked.sends())?;
        self.recorders.insert(asked.name, recorder);
        Ok(json!({}))
    }

    pub(crate) async fn put(&mut self, mut asked: Request) -> Result<Value, Failure> {
        let events: Vec<Event> = asked.events.drain(..).map(|one| one.value()).collect();
        let recorder = self.recorder(&asked)?;
        for event in events {
            recorder.put(event).await?;
        }
        Ok(json!({}))
    }

    pub(crate) async fn flush(&mut self, asked: Request) -> Result<Value, Failure> {
        Ok(acknowledged_of(&self.recorder(&asked)?.flush().await?))
    }

    pub(crate) async fn close_recorder(&mut self, asked: Request) -> Result<Value, Failure> {
        let answers = self.recorder(&asked)?.close().await?;
        self.recorders.remove(&asked.name);
        Ok(acknowledged_of(&answers))
    }

    fn recorder(&self, asked: &Request) -> Result<&Recorder, Failure> {
        let name = &asked.name;
        self.recorders.get(name).ok_or_else(|| Failure::Unsupported(format!("there is no recorder {name}")))
    }
}
