//! All servers behind a target, by turns. The generated stubs speak through it.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, header};
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, StdError};
use tonic::transport::Channel;
use tower_service::Service;

use crate::error::Error;
use crate::server::{Server, last_cause};
use crate::target::Target;
use crate::tls::Tls;

/// After a server failed, names are looked up anew, but not more often than this.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(1);
/// Whoever waits for a connection asks this often whether one may be made.
const KNOCK: Duration = Duration::from_millis(50);

/// A connection to the service, which the generated stubs speak through; cheap to clone.
///
/// Every call goes to the next of the addresses that the target's names have, past those that cannot be reached; each has
/// one HTTP/2 connection, made when it is first needed, and made again 100 ms to 0.7 s after it could not be. The names are
/// looked up at the first call, and again after a server has failed.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    target: Target,
    tls: Option<Tls>,
    authorization: Option<HeaderValue>,
    servers: Mutex<Vec<Arc<Server>>>,
    turn: AtomicUsize,
    /// When the names were looked up.
    looked_up: tokio::sync::Mutex<Option<Instant>>,
}

impl Connection {
    pub(crate) fn new(target: Target, tls: Option<Tls>, authorization: Option<HeaderValue>) -> Result<Self, Error> {
        if let Some(host) = target.hosts.first() {
            // What is wrong with the certificates should be said now, and not by every call.
            Server::new(host, ([0, 0, 0, 0], 0).into(), tls.as_ref())?;
        }
        Ok(Self(Arc::new(Shared {
            target,
            tls,
            authorization,
            servers: Mutex::default(),
            turn: AtomicUsize::new(0),
            looked_up: tokio::sync::Mutex::default(),
        })))
    }
}

impl Connection {
    /// Waits until a server can be reached, so that what was interrupted goes on at once and pauses do not add up.
    pub(crate) async fn ready(&self) {
        while self.0.reachable().await.is_err() {
            sleep(KNOCK).await;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("target", &self.0.target).finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { shared.send(request).await })
    }
}

impl Shared {
    async fn send(&self, mut request: http::Request<Body>) -> Result<http::Response<Body>, StdError> {
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        let (server, mut channel) = self.reachable().await?;
        let answered = match poll_fn(|context| channel.poll_ready(context)).await {
            Ok(()) => channel.call(request).await,
            Err(error) => Err(error),
        };
        match &answered {
            Ok(_) => server.works(),
            Err(_) => server.fails(),
        }
        Ok(answered?)
    }

    /// Returns the next server that can be reached, and the connection to it.
    async fn reachable(&self) -> Result<(Arc<Server>, Channel), Status> {
        let servers = self.by_turns().await?;
        let mut failure = None;
        for server in servers.iter().filter(|server| server.paused().is_none()) {
            match server.channel().await {
                Ok(channel) => return Ok((server.clone(), channel)),
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        // All of them failed a moment ago: the first that may be tried again decides.
        let soonest = servers.iter().min_by_key(|server| server.paused());
        let server = soonest.ok_or_else(|| Status::unavailable("the target has no address"))?;
        if let Some(due) = server.paused() {
            sleep_until(due).await;
        }
        Ok((server.clone(), server.channel().await?))
    }

    /// Returns all servers, the one whose turn it is first.
    async fn by_turns(&self) -> Result<Vec<Arc<Server>>, Status> {
        let known = || self.servers.lock().expect("no panic while it is held").clone();
        let mut servers = known();
        if servers.is_empty() || servers.iter().any(|server| server.paused().is_some()) {
            self.look_up().await?;
            servers = known();
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % servers.len().max(1);
        servers.rotate_left(first);
        Ok(servers)
    }

    /// Looks up the names, keeping the connections to addresses that stay.
    async fn look_up(&self) -> Result<(), Status> {
        let mut looked_up = self.looked_up.lock().await;
        if looked_up.is_some_and(|when| when.elapsed() < LOOK_UP_AGAIN) {
            return Ok(());
        }
        let known = self.servers.lock().expect("no panic while it is held").clone();
        let mut found: Vec<Arc<Server>> = Vec::new();
        let mut failure = None;
        for host in &self.target.hosts {
            match lookup_host(host.as_str()).await {
                Ok(addresses) => {
                    for address in addresses {
                        let same = |server: &&Arc<Server>| server.address == address;
                        if found.iter().any(|server| same(&server)) {
                            continue;
                        }
                        found.push(match known.iter().find(same) {
                            Some(server) => server.clone(),
                            None => Arc::new(self.server(host, address)?),
                        });
                    }
                }
                Err(error) => failure = Some(Status::unavailable(format!("{host}: {}", last_cause(&error)))),
            }
        }
        match failure {
            // Names that cannot be looked up for a while leave the addresses that were known.
            Some(error) if found.is_empty() && known.is_empty() => return Err(error),
            Some(_) if found.is_empty() => {}
            _ => *self.servers.lock().expect("no panic while it is held") = found,
        }
        *looked_up = Some(Instant::now());
        Ok(())
    }

    fn server(&self, host: &str, address: std::net::SocketAddr) -> Result<Server, Status> {
        Server::new(host, address, self.tls.as_ref()).map_err(|error| Status::internal(error.to_string()))
    }
}
