//! A service that answers as a test says, on a port of this machine.
#![allow(dead_code, reason = "each test needs a part of it")]

pub mod ledger;
mod servers {
    include!("../pb/penchant.v1.rs"); // and not `mod`, since rustfmt would mend what was generated
}

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use penchant::Client;
pub use penchant::pb::penchant::v1 as pb;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming, async_trait};

type Answers<A> = ReceiverStream<Result<A, Status>>;
type Talking = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Answers one call.
pub type Call<Q, A> = Arc<dyn Fn(Request<Q>) -> Result<A, Status> + Send + Sync>;
/// Talks on one stream; the stream ends with it.
pub type Talk<Q, A> = Arc<dyn Fn(Q, mpsc::Sender<Result<A, Status>>) -> Talking + Send + Sync>;

/// What the service does; what a test does not say is unimplemented.
#[derive(Clone, Default)]
pub struct Fake {
    pub record_event: Option<Call<pb::RecordEventRequest, pb::RecordEventResponse>>,
    pub record_events: Option<Talk<Streaming<pb::RecordEventsRequest>, pb::RecordEventsResponse>>,
    pub upsert_items: Option<Talk<Streaming<pb::UpsertItemsRequest>, pb::UpsertItemsResponse>>,
    pub delete_items: Option<Call<pb::DeleteItemsRequest, pb::DeleteItemsResponse>>,
    pub recommend: Option<Call<pb::RecommendRequest, pb::RecommendResponse>>,
    pub interests: Option<Call<pb::GetInterestsRequest, pb::GetInterestsResponse>>,
    pub stream: Option<Talk<Streaming<pb::StreamRecommendationsRequest>, pb::StreamRecommendationsResponse>>,
    pub watch: Option<Talk<pb::WatchRecommendationsRequest, pb::WatchRecommendationsResponse>>,
}

pub fn call<Q, A>(answer: impl Fn(Request<Q>) -> Result<A, Status> + Send + Sync + 'static) -> Option<Call<Q, A>> {
    Some(Arc::new(answer))
}

pub fn talk<Q, A, F>(
    talk: impl Fn(Q, mpsc::Sender<Result<A, Status>>) -> F + Send + Sync + 'static,
) -> Option<Talk<Q, A>>
where
    F: Future<Output = ()> + Send + 'static,
{
    Some(Arc::new(move |asked, answers| Box::pin(talk(asked, answers))))
}

fn answered<Q, A>(call: &Option<Call<Q, A>>, request: Request<Q>) -> Result<Response<A>, Status> {
    let call = call.as_ref().ok_or_else(|| Status::unimplemented("not in this test"))?;
    call(request).map(Response::new)
}

fn talking<Q, A: Send + 'static>(
    talk: &Option<Talk<Q, A>>,
    request: Request<Q>,
) -> Result<Response<Answers<A>>, Status> {
    let talk = talk.as_ref().ok_or_else(|| Status::unimplemented("not in this test"))?;
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(talk(request.into_inner(), sender));
    Ok(Response::new(ReceiverStream::new(receiver)))
}

#[async_trait]
impl servers::event_service_server::EventService for Fake {
    type RecordEventsStream = Answers<pb::RecordEventsResponse>;

    async fn record_event(
        &self,
        request: Request<pb::RecordEventRequest>,
    ) -> Result<Response<pb::RecordEventResponse>, Status> {
        answered(&self.record_event, request)
    }

    async fn record_events(
        &self,
        request: Request<Streaming<pb::RecordEventsRequest>>,
    ) -> Result<Response<Self::RecordEventsStream>, Status> {
        talking(&self.record_events, request)
    }
}

#[async_trait]
impl servers::catalog_service_server::CatalogService for Fake {
    type UpsertItemsStream = Answers<pb::UpsertItemsResponse>;

    async fn upsert_items(
        &self,
        request: Request<Streaming<pb::UpsertItemsRequest>>,
    ) -> Result<Response<Self::UpsertItemsStream>, Status> {
        talking(&self.upsert_items, request)
    }

    async fn delete_items(
        &self,
        request: Request<pb::DeleteItemsRequest>,
    ) -> Result<Response<pb::DeleteItemsResponse>, Status> {
        answered(&self.delete_items, request)
    }

    async fn get_item(&self, _: Request<pb::GetItemRequest>) -> Result<Response<pb::GetItemResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }

    async fn list_items(&self, _: Request<pb::ListItemsRequest>) -> Result<Response<pb::ListItemsResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }
}

#[async_trait]
impl servers::recommendation_service_server::RecommendationService for Fake {
    type StreamRecommendationsStream = Answers<pb::StreamRecommendationsResponse>;
    type WatchRecommendationsStream = Answers<pb::WatchRecommendationsResponse>;

    async fn recommend(
        &self,
        request: Request<pb::RecommendRequest>,
    ) -> Result<Response<pb::RecommendResponse>, Status> {
        answered(&self.recommend, request)
    }

    async fn stream_recommendations(
        &self,
        request: Request<Streaming<pb::StreamRecommendationsRequest>>,
    ) -> Result<Response<Self::StreamRecommendationsStream>, Status> {
        talking(&self.stream, request)
    }

    async fn watch_recommendations(
        &self,
        request: Request<pb::WatchRecommendationsRequest>,
    ) -> Result<Response<Self::WatchRecommendationsStream>, Status> {
        talking(&self.watch, request)
    }

    async fn similar_items(
        &self,
        _: Request<pb::SimilarItemsRequest>,
    ) -> Result<Response<pb::SimilarItemsResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }

    async fn search_items(
        &self,
        _: Request<pb::SearchItemsRequest>,
    ) -> Result<Response<pb::SearchItemsResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }
}

#[async_trait]
impl servers::user_service_server::UserService for Fake {
    async fn get_interests(
        &self,
        request: Request<pb::GetInterestsRequest>,
    ) -> Result<Response<pb::GetInterestsResponse>, Status> {
        answered(&self.interests, request)
    }
}

/// A service that runs until it is killed or dropped, connections and all.
pub struct Service {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Fake {
    /// Serves on a free port.
    pub fn serve(self) -> Service {
        self.serve_on(([127, 0, 0, 1], 0).into(), None)
    }

    /// Serves on an address, in a runtime of its own: with that goes all of it.
    pub fn serve_on(self, address: SocketAddr, tls: Option<ServerTlsConfig>) -> Service {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (told, heard) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let mut server = Server::builder();
            if let Some(tls) = tls {
                server = server.tls_config(tls).unwrap();
            }
            server
                .add_service(servers::event_service_server::EventServiceServer::new(self.clone()))
                .add_service(servers::catalog_service_server::CatalogServiceServer::new(self.clone()))
                .add_service(servers::recommendation_service_server::RecommendationServiceServer::new(self.clone()))
                .add_service(servers::user_service_server::UserServiceServer::new(self))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let address = heard.recv_timeout(Duration::from_secs(10)).expect("it serves");
        Service { address, runtime: Some(runtime) }
    }
}

impl Service {
    pub fn target(&self) -> String {
        self.address.to_string()
    }

    pub fn client(&self) -> Client {
        Client::builder(self.target()).build().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let runtime = self.runtime.take().unwrap();
        // A runtime must not wait for its end within another one.
        std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10))).join().unwrap();
    }
}
