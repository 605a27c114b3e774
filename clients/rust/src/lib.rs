//! The client of Penchant, a service of real-time recommendations over gRPC.
//!
//! [`Client::builder`] makes a [`Client`], which is cheap to clone, shared by all tasks, and reconnects by itself. Events
//! go in by [`Client::record`], one at a time, or by a [`Recorder`], which holds one long stream. Lists come out by
//! [`Client::recommend`], [`Client::similar`] and [`Client::search`], and, following the user as the interest moves, by
//! [`Client::stream`] and [`Client::watch`].
//!
//! ```no_run
//! # async fn first() -> Result<(), penchant::Error> {
//! use penchant::{Client, Event, ListOptions};
//!
//! let client = Client::builder("127.0.0.1:50551").build()?;
//! let view = client.record(Event::new("ada", "view").item_id("shoe")).await?;
//! let fresh = ListOptions::new().page_size(5).min_freshness(view.freshness_token);
//! for one in client.recommend("ada", fresh).await?.items {
//!     println!("{} {:.3}", one.item_id, one.score);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All calls belong to a Tokio runtime, and a client to the one that it made its first call in. A unary call has a
//! deadline, and is tried again within it while the service is unavailable. Errors are [`Error`], told apart by their
//! [`Kind`]. What the client does not cover is asked by the generated stubs, [`Client::raw`].

#![warn(missing_docs)]

mod acknowledgements;
mod backoff;
mod builder;
mod carry;
mod catalog;
mod client;
mod connection;
mod decode;
mod delivery;
mod encode;
mod error;
mod events;
mod exchange;
mod follow;
mod following;
mod health;
mod kafka;
mod lists;
mod mailbox;
mod model;
mod options;
mod outbox;
#[allow(missing_docs, rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]
pub mod pb;
mod random;
mod recorder;
mod results;
mod retry;
mod server;
mod status;
mod stream;
mod target;
mod tls;
mod writes;

pub use acknowledgements::Acknowledgements;
pub use builder::ClientBuilder;
pub use client::{Client, Stubs};
pub use connection::Connection;
pub use error::{Error, Kind};
pub use kafka::{KafkaRecord, kafka_record};
pub use model::{Event, Item};
pub use options::{ListOptions, Reading, SendOptions};
pub use recorder::Recorder;
pub use results::{
    Acknowledged, DeleteResult, Evidence, Freshness, Interest, Interests, Reason, ReasonKind, Recommendation,
    Recommendations, Recorded, Refused, Trigger, Update, UpsertResult,
};
pub use stream::{RecommendationStream, Steering, UpdateStream};
pub use tls::Tls;

/// What the README shows must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
