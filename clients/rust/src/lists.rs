//! The verbs that read: lists, interests, and lists that follow.

use std::sync::Arc;

use crate::client::Client;
use crate::decode::{self, each};
use crate::encode;
use crate::error::Error;
use crate::follow::{Connect, Line};
use crate::following::Following;
use crate::mailbox::Mailbox;
use crate::options::{ListOptions, Reading};
use crate::pb::penchant::v1 as pb;
use crate::results::{Interests, Recommendations};
use crate::stream::{RecommendationStream, UpdateStream};

impl Client {
    /// Returns one ranked list for a user, 1–128 bytes; for a user without events, what is popular now.
    pub async fn recommend(
        &self,
        user_id: impl Into<String>,
        reading: impl Into<Reading>,
    ) -> Result<Recommendations, Error> {
        let (user_id, reading) = self.waiting(user_id.into(), reading.into());
        let request = pb::RecommendRequest {
            user_id,
            options: Some(encode::options(reading.options)),
            surface: reading.surface,
            min_freshness: reading.min_freshness,
        };
        let stub = &self.shared.stubs.recommendations;
        self.ask(request, |request| {
            let mut stub = stub.clone();
            async move { stub.recommend(request).await }
        })
        .await
        .map(decode::recommendations)
    }

    /// Returns items like one item, by its words and by what people went on to;
    /// [`Kind::NotFound`](crate::Kind::NotFound) when the catalogue does not have it.
    pub async fn similar(&self, item_id: impl Into<String>, options: ListOptions) -> Result<Recommendations, Error> {
        let request = pb::SimilarItemsRequest { item_id: item_id.into(), options: Some(encode::options(options)) };
        let stub = &self.shared.stubs.recommendations;
        let found = self
            .ask(request, |request| {
                let mut stub = stub.clone();
                async move { stub.similar_items(request).await }
            })
            .await?;
        Ok(Recommendations {
            items: each(found.recommendations, decode::recommendation),
            profile: found.profile,
            model: found.model,
            ..Recommendations::default()
        })
    }

    /// Returns items by meaning, closest first, for words in any language: 1–8,192 bytes.
    pub async fn search(&self, query: impl Into<String>, options: ListOptions) -> Result<Recommendations, Error> {
        let request = pb::SearchItemsRequest { query: query.into(), options: Some(encode::options(options)) };
        let stub = &self.shared.stubs.recommendations;
        let found = self
            .ask(request, |request| {
                let mut stub = stub.clone();
                async move { stub.search_items(request).await }
            })
            .await?;
        Ok(Recommendations {
            items: each(found.recommendations, decode::recommendation),
            model: found.model,
            ..Recommendations::default()
        })
    }

    /// Returns the user's interests and the events they rest on; a user never heard of has none.
    pub async fn interests(&self, user_id: impl Into<String>) -> Result<Interests, Error> {
        self.interests_after(user_id, "").await
    }

    /// Returns the user's interests once the write with this freshness token is in them, within the deadline.
    pub async fn interests_after(
        &self,
        user_id: impl Into<String>,
        min_freshness: impl Into<String>,
    ) -> Result<Interests, Error> {
        let (user_id, reading) = self.waiting(user_id.into(), Reading::default().min_freshness(min_freshness));
        let request = pb::GetInterestsRequest { user_id, min_freshness: reading.min_freshness };
        let stub = &self.shared.stubs.users;
        self.ask(request, |request| {
            let mut stub = stub.clone();
            async move { stub.get_interests(request).await }
        })
        .await
        .map(decode::interests)
    }

    /// Returns the user's list as a stream that can be steered: the whole list, whenever it moves. It connects when it is
    /// first read.
    pub fn stream(&self, user_id: impl Into<String>, reading: impl Into<Reading>) -> RecommendationStream {
        let mailbox = self.mailbox(user_id.into(), reading.into());
        let stub = self.shared.stubs.recommendations.clone();
        let outgoing = mailbox.clone();
        let connect: Connect = Box::new(move || {
            let (mut stub, requests) = (stub.clone(), outgoing.introduce());
            Box::pin(async move { Ok(stub.stream_recommendations(requests).await?.into_inner().into()) })
        });
        RecommendationStream::new(self.line(mailbox, connect))
    }

    /// Returns the same list for code that only listens.
    pub fn watch(&self, user_id: impl Into<String>, reading: impl Into<Reading>) -> UpdateStream {
        let mailbox = self.mailbox(user_id.into(), reading.into());
        let stub = self.shared.stubs.recommendations.clone();
        let opening = mailbox.clone();
        let connect: Connect = Box::new(move || {
            let (mut stub, open) = (stub.clone(), opening.opening());
            let request = pb::WatchRecommendationsRequest { open: Some(open) };
            Box::pin(async move { Ok(stub.watch_recommendations(request).await?.into_inner().into()) })
        });
        UpdateStream::new(self.line(mailbox, connect))
    }

    fn mailbox(&self, user_id: String, reading: Reading) -> Arc<Mailbox> {
        let (user_id, reading) = self.waiting(user_id, reading);
        Arc::new(Mailbox::new(Following::new(encode::start(user_id, reading))))
    }

    fn line(&self, mailbox: Arc<Mailbox>, connect: Connect) -> Line {
        Line { client: self.shared.clone(), mailbox, connect, patience: self.timeout, retries: self.shared.retries }
    }

    /// Lets a read wait for the user's own last write where nothing else was said.
    fn waiting(&self, user_id: String, mut reading: Reading) -> (String, Reading) {
        if let (true, Some(writes)) = (reading.min_freshness.is_empty(), &self.shared.writes) {
            reading.min_freshness = writes.lock().expect("no panic while it is held").of(&user_id);
        }
        (user_id, reading)
    }
}
