//! One address of the service, and the connection to it.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use http::Uri;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::error::Error;
use crate::health::Health;
use crate::random;
use crate::target;
use crate::tls::Tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A silent connection is probed after this time, so that streams notice a peer that vanished.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("penchant-rust/", env!("CARGO_PKG_VERSION"));

/// One address; it is connected to when it is needed.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    endpoint: Endpoint,
    channel: Mutex<Option<Channel>>,
    health: Mutex<Health>,
    connecting: tokio::sync::Mutex<()>,
}

impl Server {
    pub(crate) fn new(host: &str, address: SocketAddr, tls: Option<&Tls>) -> Result<Self, Error> {
        Ok(Self {
            address,
            endpoint: endpoint(host, address, tls)?,
            channel: Mutex::default(),
            health: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// Returns when it may be tried again; `None`: now.
    pub(crate) fn paused(&self) -> Option<Instant> {
        self.health.lock().expect("no panic while it is held").paused(Instant::now())
    }

    /// Returns the connection there is, or makes one, together with all who ask meanwhile.
    pub(crate) async fn channel(&self) -> Result<Channel, Status> {
        if let Some(channel) = self.connected() {
            return Ok(channel);
        }
        let _alone = self.connecting.lock().await;
        if let Some(channel) = self.connected() {
            return Ok(channel);
        }
        if self.paused().is_some() {
            return Err(self.unreachable("it could not be reached a moment ago"));
        }
        // One who leaves in the middle has found it too slow: others then try another server first.
        let attempt = Attempt { server: self, ended: false };
        let connected = timeout(CONNECT_TIMEOUT, self.endpoint.connect()).await;
        attempt.ended();
        match connected {
            Ok(Ok(channel)) => {
                *self.channel.lock().expect("no panic while it is held") = Some(channel.clone());
                Ok(channel)
            }
            Ok(Err(error)) => {
                self.fails();
                Err(self.unreachable(last_cause(&error)))
            }
            Err(_) => {
                self.fails();
                Err(self.unreachable(format!("no connection within {CONNECT_TIMEOUT:?}")))
            }
        }
    }

    /// A call was answered on the connection.
    pub(crate) fn works(&self) {
        self.health.lock().expect("no panic while it is held").works();
    }

    /// The connection is of no use; the next call makes another.
    pub(crate) fn fails(&self) {
        *self.channel.lock().expect("no panic while it is held") = None;
        self.health.lock().expect("no panic while it is held").fails(Instant::now(), random::fraction());
    }

    fn connected(&self) -> Option<Channel> {
        self.channel.lock().expect("no panic while it is held").clone()
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Status {
        Status::unavailable(format!("{}: {why}", self.address))
    }
}

/// An attempt to connect, which fails when it is dropped before it has ended.
struct Attempt<'a> {
    server: &'a Server,
    ended: bool,
}

impl Attempt<'_> {
    fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.server.fails();
        }
    }
}

fn endpoint(host: &str, address: SocketAddr, tls: Option<&Tls>) -> Result<Endpoint, Error> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let wrong = |error: &dyn StdError| Error::invalid("target", last_cause(error));
    // The service sees the name that it was asked for by, whichever address answers.
    let origin: Uri = format!("{scheme}://{host}").parse().map_err(|error| wrong(&error))?;
    let plain = Endpoint::from_shared(format!("{scheme}://{address}"))
        .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
        .map_err(|error| wrong(&error))?
        .origin(origin)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(false);
    match tls {
        Some(tls) => {
            plain.tls_config(tls.config(target::name(host))).map_err(|error| Error::invalid("tls", last_cause(&error)))
        }
        None => Ok(plain),
    }
}

/// Returns what the deepest of the causes says: those above it say that there is one.
pub(crate) fn last_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
