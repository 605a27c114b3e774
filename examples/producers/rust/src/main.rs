//! Sends events to Penchant's log: `producer --bootstrap HOST:PORT USER…`.

use std::error::Error;
use std::time::SystemTime;

use penchant::{Event, kafka_record};
use prost_types::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde_json::json;

/// Somebody looks at a tent, now.
fn view_of(user: &str, now: SystemTime) -> Event {
    Event::new(user, "view").item_id("tent").surface("home").occurred_at(now)
}

/// A view as a record: key, value and content type. It has an id: sent again, the event counts once.
fn record_of(user: &str, as_json: bool) -> Result<(Vec<u8>, Vec<u8>, &'static str), penchant::Error> {
    let now = SystemTime::now();
    let record = kafka_record(view_of(user, now))?;
    if !as_json {
        return Ok((record.key, record.value, "application/x-protobuf"));
    }
    let value = json!({
        "eventId": record.event_id, "userId": user, "type": "view", "itemId": "tent", "surface": "home",
        "occurredAt": Timestamp::from(now).to_string(),
    });
    Ok((record.key, value.to_string().into_bytes(), "application/json"))
}

async fn send(bootstrap: &str, topic: &str, users: &[String], as_json: bool) -> Result<(), Box<dyn Error>> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // The default one, CRC32, puts most users elsewhere than other clients do.
        .set("partitioner", "murmur2_random")
        .set("compression.type", "gzip")
        .set("allow.auto.create.topics", "false")
        .create()?;
    let mut sent = Vec::new();
    for user in users {
        let (key, value, kind) = record_of(user, as_json)?;
        let headers = OwnedHeaders::new().insert(Header { key: "content-type", value: Some(kind) });
        let record = FutureRecord::to(topic).key(&key).payload(&value).headers(headers);
        sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    for (user, place) in users.iter().zip(sent) {
        let place = place.await?.map_err(|(error, _)| error)?;
        println!("{}\t{}\t{user}", place.partition, place.offset);
    }
    producer.flush(std::time::Duration::from_secs(10))?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut bootstrap, mut prefix, mut as_json) = ("127.0.0.1:9092".to_owned(), "penchant".to_owned(), false);
    let mut users = Vec::new();
    let mut given = std::env::args().skip(1);
    while let Some(one) = given.next() {
        match one.as_str() {
            "--bootstrap" => bootstrap = given.next().ok_or("--bootstrap: HOST:PORT is missing")?,
            "--prefix" => prefix = given.next().ok_or("--prefix: the name is missing")?,
            "--json" => as_json = true,
            _ => users.push(one),
        }
    }
    if users.is_empty() {
        return Err("name the users: producer [options] USER…".into());
    }
    send(&bootstrap, &format!("{prefix}.events"), &users, as_json).await
}
