"""``CatalogService``: what can be recommended comes in and goes out."""

from collections.abc import AsyncIterator

from penchant.v1 import catalog_pb2, catalog_pb2_grpc
from penchant_adapters import contract, pictures
from penchant_core.errors import InvalidField, UnknownItem
from penchant_core.model import Item
from penchant_core.ports import Shelves

from penchant_server import limits, replies
from penchant_server.faults import status_of
from penchant_server.journal import Shelf
from penchant_server.live import Audience
from penchant_server.stubs import Context


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """Keeps the catalogue."""

    def __init__(self, shelf: Shelf, catalogue: Shelves, audience: Audience) -> None:
        self._shelf = shelf
        self._catalogue = catalogue
        self._audience = audience

    async def UpsertItems(  # noqa: N802 the name is gRPC's
        self, request_iterator: AsyncIterator[catalog_pb2.UpsertItemsRequest], context: Context
    ) -> AsyncIterator[catalog_pb2.UpsertItemsResponse]:
        """Add or replace items, request by request."""
        del context
        async for request in request_iterator:
            limits.batch("items", len(request.items))
            items: list[Item] = []
            refused = []
            for index, message in enumerate(request.items):
                try:
                    item = contract.item(message)
                    if (damage := await pictures.damaged(item)) is not None:
                        raise damage
                    items.append(item)
                except InvalidField as error:
                    refused.append(
                        catalog_pb2.RefusedItem(index=index, item_id=message.item_id, error=status_of(error))
                    )
            if items:
                await self._shelf.learn_items(items)
                self._audience.changed(item.item_id for item in items)
            yield catalog_pb2.UpsertItemsResponse(accepted=len(items), refused=refused)

    async def DeleteItems(  # noqa: N802 the name is gRPC's
        self, request: catalog_pb2.DeleteItemsRequest, context: Context
    ) -> catalog_pb2.DeleteItemsResponse:
        """Take items out."""
        del context
        limits.batch("item_ids", len(request.item_ids))
        wanted = list(dict.fromkeys(contract.identifier("item_ids[]", item_id) for item_id in request.item_ids))
        gone = set(await self._shelf.forget_items(wanted))
        self._audience.changed(gone)
        return catalog_pb2.DeleteItemsResponse(
            deleted=len(gone), unknown_item_ids=[item_id for item_id in wanted if item_id not in gone]
        )

    async def GetItem(  # noqa: N802 the name is gRPC's
        self, request: catalog_pb2.GetItemRequest, context: Context
    ) -> catalog_pb2.GetItemResponse:
        """Return one item."""
        del context
        item_id = contract.identifier("item_id", request.item_id)
        known = await self._catalogue.known([item_id])
        if item_id not in known:
            raise UnknownItem(item_id)
        return catalog_pb2.GetItemResponse(item=replies.item(known[item_id].item))

    async def ListItems(  # noqa: N802 the name is gRPC's
        self, request: catalog_pb2.ListItemsRequest, context: Context
    ) -> catalog_pb2.ListItemsResponse:
        """Return a page of items."""
        del context
        size = limits.list_page(request.page_size)
        items, following = await self._catalogue.page(limits.page_token(request.page_token), size)
        return catalog_pb2.ListItemsResponse(items=[replies.item(item) for item in items], next_page_token=following)
