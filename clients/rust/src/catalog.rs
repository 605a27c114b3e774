//! The verbs of the catalogue.

use std::future::ready;

use tokio_stream::Stream;

use crate::acknowledgements::deliver_all;
use crate::carry::Connect;
use crate::client::Client;
use crate::decode;
use crate::delivery::Delivery;
use crate::encode;
use crate::error::Error;
use crate::exchange::ItemExchange;
use crate::model::Item;
use crate::options::SendOptions;
use crate::pb::penchant::v1 as pb;
use crate::results::{DeleteResult, UpsertResult};

/// Most ids that the contract allows in one request.
const DELETE_BATCH: usize = 1_000;
/// Full requests of items on their way at once.
const UPSERTS_AT_ONCE: usize = 4;

impl Client {
    /// Adds items or replaces those with the same id; refused ones are reported and stop nothing. Sending resumes as that
    /// of a [`Recorder`](crate::Recorder) does; after an error some items may be in the catalogue, and sending all of them
    /// again is safe.
    pub async fn upsert_items(&self, items: impl IntoIterator<Item = Item>) -> Result<UpsertResult, Error> {
        self.upsert_items_from(tokio_stream::iter(items), SendOptions::default()).await
    }

    /// Adds the items of a stream, for a catalogue that is larger than one wants to hold at once; it is read as there is
    /// room. `options.window` counts for nothing here.
    pub async fn upsert_items_from(
        &self,
        items: impl Stream<Item = Item>,
        options: SendOptions,
    ) -> Result<UpsertResult, Error> {
        let limits = options.window(options.batch.saturating_mul(UPSERTS_AT_ONCE)).checked()?;
        let stub = self.shared.stubs.catalog.clone();
        let connect: Connect<ItemExchange> = Box::new(move |requests| {
            let mut stub = stub.clone();
            Box::pin(async move { stub.upsert_items(requests).await })
        });
        let delivery = Delivery::start(self.shared.clone(), limits, ItemExchange::default(), connect, None);
        let mut total = UpsertResult::default();
        deliver_all(delivery, items, encode::item, |mut answer: UpsertResult| {
            total.accepted += answer.accepted;
            total.refused.append(&mut answer.refused);
            ready(true)
        })
        .await?;
        Ok(total)
    }

    /// Removes items; users' events on them count again if an item comes back.
    pub async fn delete_items<I>(&self, item_ids: I) -> Result<DeleteResult, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let item_ids: Vec<String> = item_ids.into_iter().map(Into::into).collect();
        let stub = &self.shared.stubs.catalog;
        let mut total = DeleteResult::default();
        for chunk in item_ids.chunks(DELETE_BATCH) {
            let found = self
                .ask(pb::DeleteItemsRequest { item_ids: chunk.to_vec() }, |request| {
                    let mut stub = stub.clone();
                    async move { stub.delete_items(request).await }
                })
                .await?;
            total.deleted += u64::from(found.deleted);
            total.unknown_item_ids.extend(found.unknown_item_ids);
        }
        Ok(total)
    }

    /// Returns the item as stored, its text normalised; [`Kind::NotFound`](crate::Kind::NotFound) when the catalogue does
    /// not have it.
    pub async fn get_item(&self, item_id: impl Into<String>) -> Result<Item, Error> {
        let stub = &self.shared.stubs.catalog;
        let found = self
            .ask(pb::GetItemRequest { item_id: item_id.into() }, |request| {
                let mut stub = stub.clone();
                async move { stub.get_item(request).await }
            })
            .await?;
        found.item.map(decode::item).ok_or_else(|| Error::internal("the service answered without an item"))
    }

    /// Returns a page of the catalogue, in a fixed order, and the token of the next one, which is empty on the last page.
    /// The first page has the empty token.
    pub async fn list_items(&self, page_token: impl Into<String>) -> Result<(Vec<Item>, String), Error> {
        let stub = &self.shared.stubs.catalog;
        let request = pb::ListItemsRequest { page_token: page_token.into(), ..pb::ListItemsRequest::default() };
        let found = self
            .ask(request, |request| {
                let mut stub = stub.clone();
                async move { stub.list_items(request).await }
            })
            .await?;
        Ok((decode::each(found.items, decode::item), found.next_page_token))
    }
}
