//! The client: what all its verbs share.

use std::future::Future;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Request, Response, Status};

use crate::builder::ClientBuilder;
use crate::connection::Connection;
use crate::delivery::Closable;
use crate::error::Error;
use crate::pb::penchant::v1::catalog_service_client::CatalogServiceClient;
use crate::pb::penchant::v1::event_service_client::EventServiceClient;
use crate::pb::penchant::v1::model_service_client::ModelServiceClient;
use crate::pb::penchant::v1::recommendation_service_client::RecommendationServiceClient;
use crate::pb::penchant::v1::user_service_client::UserServiceClient;
use crate::status::from_call;
use crate::writes::LastWrites;
use crate::{random, retry};

/// A client of the service; cheap to clone, and to be shared by all tasks. [`close`](Self::close) it at the end where it
/// has recorders.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) timeout: Duration,
}

pub(crate) struct Shared {
    pub(crate) connection: Connection,
    pub(crate) stubs: Stubs,
    pub(crate) retries: u32,
    /// None: reads wait for nothing by themselves.
    pub(crate) writes: Option<Arc<Mutex<LastWrites>>>,
    /// True when the client is closed.
    pub(crate) closed: watch::Sender<bool>,
    recorders: Mutex<Vec<Weak<dyn Closable>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("retries", &self.retries).finish_non_exhaustive()
    }
}

/// The generated stubs, for calls that the client does not cover. They share the client's connections and key, but neither
/// its deadlines nor its retries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stubs {
    /// Takes in what users do and say.
    pub events: EventServiceClient<Connection>,
    /// Keeps the items.
    pub catalog: CatalogServiceClient<Connection>,
    /// Answers what a user would like next.
    pub recommendations: RecommendationServiceClient<Connection>,
    /// Shows what the service knows of a user.
    pub users: UserServiceClient<Connection>,
    /// Changes the encoder of a service while it serves.
    pub models: ModelServiceClient<Connection>,
}

impl Client {
    /// Returns a builder of a client of the service at `target`: `host:port`, or several of them parted by commas, with or
    /// without `http://` or `https://` before them.
    pub fn builder(target: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(target.into())
    }

    pub(crate) fn new(connection: Connection, settings: &ClientBuilder) -> Self {
        let stubs = Stubs {
            events: EventServiceClient::new(connection.clone()),
            catalog: CatalogServiceClient::new(connection.clone()),
            recommendations: RecommendationServiceClient::new(connection.clone()),
            users: UserServiceClient::new(connection.clone()),
            models: ModelServiceClient::new(connection.clone()),
        };
        let shared = Shared {
            connection,
            stubs,
            retries: settings.retries,
            writes: settings.reads_own_writes.then(Arc::default),
            closed: watch::Sender::new(false),
            recorders: Mutex::default(),
        };
        Self { shared: Arc::new(shared), timeout: settings.timeout }
    }

    /// Returns the same client with another deadline, above 0, for its calls; both share all else.
    ///
    /// ```no_run
    /// # async fn example(client: penchant::Client) -> Result<(), penchant::Error> {
    /// let soon = client.with_timeout(std::time::Duration::from_millis(200));
    /// soon.interests("ada").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { shared: self.shared.clone(), timeout }
    }

    /// Returns the generated stubs.
    pub fn raw(&self) -> Stubs {
        self.shared.stubs.clone()
    }

    /// Closes the client and all its clones. Recorders that are open are closed first, for at most the client's timeout;
    /// what they then still hold makes this fail, with the number of events. Calls and streams under way fail with
    /// [`Kind::Cancelled`](crate::Kind::Cancelled). Closing again does nothing.
    pub async fn close(&self) -> Result<(), Error> {
        let due = Instant::now() + self.timeout;
        let open: Vec<_> = std::mem::take(&mut *self.shared.recorders.lock().expect("no panic while it is held"));
        let open: Vec<_> = open.iter().filter_map(Weak::upgrade).collect();
        open.iter().for_each(|recorder| recorder.finish());
        let mut left = 0;
        let mut why = None;
        for recorder in open {
            let ended = timeout_at(due, recorder.ended()).await;
            let unanswered = recorder.unanswered_count();
            if unanswered > 0 {
                left += unanswered;
                why = Some(match ended {
                    Ok(failure) => failure.unwrap_or_else(Error::closed),
                    Err(_) => Error::deadline(format!("the service did not answer within {:?}", self.timeout)),
                });
            }
            recorder.stop(Error::closed());
        }
        self.shared.closed.send_replace(true);
        match why {
            Some(why) => Err(Error::new(why.code(), format!("{left} events are not answered: {}", why.message()))),
            None => Ok(()),
        }
    }

    pub(crate) fn remember_recorder(&self, recorder: Weak<dyn Closable>) {
        let mut recorders = self.shared.recorders.lock().expect("no panic while it is held");
        recorders.retain(|one| one.strong_count() > 0);
        recorders.push(recorder);
    }

    /// Makes a unary call within the client's deadline, again while the service is unavailable. Only what may be asked
    /// twice is asked by it.
    pub(crate) async fn ask<Asked: Clone, Told, Answer>(
        &self,
        asked: Asked,
        call: impl Fn(Request<Asked>) -> Answer,
    ) -> Result<Told, Error>
    where
        Answer: Future<Output = Result<Response<Told>, Status>>,
    {
        let due = Instant::now() + self.timeout;
        let mut failures = 0;
        let attempts = async {
            loop {
                let mut request = Request::new(asked.clone());
                request.set_timeout(due.saturating_duration_since(Instant::now()));
                let error = match call(request).await {
                    Ok(response) => return Ok(response.into_inner()),
                    Err(status) => from_call(status),
                };
                let pause = retry::pause(failures, random::fraction());
                // A pause that ends too late would only hide what went wrong.
                if !error.is_unavailable() || failures == self.shared.retries || Instant::now() + pause >= due {
                    return Err(error);
                }
                failures += 1;
                sleep(pause).await;
            }
        };
        tokio::select! {
            answered = timeout_at(due, attempts) => {
                answered.unwrap_or_else(|_| Err(Error::deadline(format!("no answer within {:?}", self.timeout))))
            }
            () = self.shared.until_closed() => Err(Error::closed()),
        }
    }
}

impl Shared {
    /// Returns when the client is closed.
    pub(crate) async fn until_closed(&self) {
        // The sender lives as long as this.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}
