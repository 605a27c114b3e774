//! The conformance driver of the Rust client: lines of JSON in, lines of JSON out, as `tests/conformance/README.md` says.

mod answers;
mod calls;
mod measure;
mod raw;
mod recorders;
mod requests;
mod streams;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;

use penchant::{Client, Recorder};
use serde_json::{Value, json};

use crate::answers::Failure;
use crate::requests::Request;
use crate::streams::Opened;

/// What was opened, by name.
#[derive(Default)]
pub(crate) struct Driver {
    pub(crate) clients: HashMap<String, Client>,
    pub(crate) recorders: HashMap<String, Recorder>,
    pub(crate) streams: HashMap<String, Opened>,
}

impl Driver {
    /// Returns the object of an answer.
    async fn act(&mut self, asked: Request) -> Result<Value, Failure> {
        match asked.verb.as_str() {
            "connect" => self.connect(asked),
            "close" => self.close(asked).await,
            "record" => self.record(asked).await,
            "upsert" => self.upsert(asked).await,
            "delete" => self.delete(asked).await,
            "recommend" => self.recommend(asked).await,
            "similar" => self.similar(asked).await,
            "search" => self.search(asked).await,
            "interests" => self.interests(asked).await,
            "record_many" => self.record_many(asked).await,
            "open_recorder" => self.open_recorder(asked),
            "put" => self.put(asked).await,
            "flush" => self.flush(asked).await,
            "close_recorder" => self.close_recorder(asked).await,
            "open_stream" => self.open_stream(asked).await,
            "next" => self.next(asked).await,
            "latest" => self.latest(asked).await,
            "shown" => self.shown(asked),
            "change" => self.change(asked),
            "close_stream" => self.close_stream(asked),
            "measure" => self.measure(asked).await,
            "raw" => self.raw(asked).await,
            verb => Err(Failure::Unsupported(verb.to_owned())),
        }
    }

    pub(crate) fn client(&self, asked: &Request) -> Result<&Client, Failure> {
        let name = &asked.client;
        self.clients.get(name).ok_or_else(|| Failure::Unsupported(format!("there is no client {name}")))
    }

    /// Closes all clients, but not their recorders.
    async fn leave(self) -> Result<(), penchant::Error> {
        let mut left = Ok(());
        for client in self.clients.values() {
            left = left.and(client.close().await);
        }
        left
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut driver = Driver::default();
    for line in stdin().lock().lines() {
        let asked: Request = serde_json::from_str(&line?)?;
        if asked.verb == "leave" {
            return Ok(match runtime.block_on(driver.leave()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            });
        }
        let answer = match runtime.block_on(driver.act(asked)) {
            Ok(given) => json!({ "ok": given }),
            Err(failure) => json!({ "error": failure.told() }),
        };
        let mut out = stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}
