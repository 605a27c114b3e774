//! The same work by the wrapper and by the bare stub, so that the wrapper's cost can be told.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ProcessTime;
use penchant::pb::penchant::v1 as pb;
use penchant::{Client, Event, ListOptions, SendOptions};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::Driver;
use crate::answers::Failure;
use crate::requests::Request;

/// The deadline of the wrapper's calls.
const DEADLINE: Duration = Duration::from_secs(5);
const BATCH: usize = 100;
const REQUESTS_AT_ONCE: usize = 10;

impl Driver {
    pub(crate) async fn measure(&mut self, asked: Request) -> Result<Value, Failure> {
        let client = self.client(&asked)?;
        let (begun, cpu) = (Instant::now(), ProcessTime::now());
        let calls = match asked.what.as_str() {
            "recommend" => recommend(client, &asked).await?,
            "recommend_raw" => recommend_raw(client, &asked).await?,
            "events" => events(client, &asked).await?,
            "events_raw" => events_raw(client, &asked).await?,
            what => return Err(Failure::Unsupported(format!("measure {what}"))),
        };
        Ok(json!({
            "count": asked.count,
            "seconds": begun.elapsed().as_secs_f64(),
            "cpu": cpu.elapsed().as_secs_f64(),
            "p50": percentile(&calls, 0.50),
            "p99": percentile(&calls, 0.99),
        }))
    }
}

/// Returns milliseconds; `None` without any call.
fn percentile(calls: &[Duration], part: f64) -> Option<f64> {
    let mut sorted = calls.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).map(|call| call.as_secs_f64() * 1e3)
}

async fn recommend(client: &Client, asked: &Request) -> Result<Vec<Duration>, Failure> {
    let mut calls = Vec::with_capacity(asked.count);
    for _ in 0..asked.count {
        let begun = Instant::now();
        client.recommend(&asked.user_id, ListOptions::new()).await?;
        calls.push(begun.elapsed());
    }
    Ok(calls)
}

async fn recommend_raw(client: &Client, asked: &Request) -> Result<Vec<Duration>, Failure> {
    let mut stub = client.raw().recommendations;
    let mut calls = Vec::with_capacity(asked.count);
    for _ in 0..asked.count {
        let begun = Instant::now();
        let wanted = pb::RecommendRequest { user_id: asked.user_id.clone(), ..pb::RecommendRequest::default() };
        let mut request = tonic::Request::new(wanted);
        request.set_timeout(DEADLINE);
        stub.recommend(request).await.map_err(Failure::driver)?;
        calls.push(begun.elapsed());
    }
    Ok(calls)
}

async fn events(client: &Client, asked: &Request) -> Result<Vec<Duration>, Failure> {
    let recorder = client.recorder(SendOptions::new().batch(BATCH).window(BATCH * REQUESTS_AT_ONCE))?;
    for item_id in asked.item_ids.iter().cycle().take(asked.count) {
        recorder.put(Event::new(&asked.user_id, "view").item_id(item_id)).await?;
    }
    recorder.flush().await?;
    recorder.close().await?;
    Ok(Vec::new())
}

async fn events_raw(client: &Client, asked: &Request) -> Result<Vec<Duration>, Failure> {
    let (sender, receiver) = mpsc::channel(REQUESTS_AT_ONCE);
    let answered = Arc::new(Semaphore::new(BATCH * REQUESTS_AT_ONCE));
    let room = answered.clone();
    let (user_id, item_ids, count) = (asked.user_id.clone(), asked.item_ids.clone(), asked.count);
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Failure::driver)?.as_nanos();
    tokio::spawn(async move {
        let mut item_ids = item_ids.iter().cycle();
        for first in (0..count).step_by(BATCH) {
            let event = |number: usize, item_id: &String| pb::Event {
                event_id: format!("{begun}-{number}"),
                user_id: user_id.clone(),
                r#type: "view".to_owned(),
                item_id: item_id.clone(),
                ..pb::Event::default()
            };
            let last = count.min(first + BATCH);
            let events: Vec<_> = (first..last).zip(&mut item_ids).map(|(number, item)| event(number, item)).collect();
            let Ok(taken) = room.acquire_many(events.len() as u32).await else { return };
            taken.forget();
            if sender.send(pb::RecordEventsRequest { events }).await.is_err() {
                return;
            }
        }
    });
    let mut responses =
        client.raw().events.record_events(ReceiverStream::new(receiver)).await.map_err(Failure::driver)?.into_inner();
    while let Some(response) = responses.message().await.map_err(Failure::driver)? {
        answered.add_permits(response.acknowledgements.len());
    }
    Ok(Vec::new())
}
