"""``ModelService``: another encoder, while serving."""

from penchant.v1 import model_pb2, model_pb2_grpc
from penchant_adapters.contract import number, sized
from penchant_core.errors import InvalidField

from penchant_server.models import Models, Told
from penchant_server.operator_key import refuse_others
from penchant_server.shadow import Shadow
from penchant_server.stubs import Context

NAME_BYTES = 4_096


class ModelService(model_pb2_grpc.ModelServiceServicer):
    """Changes models, for who has the operator's key."""

    def __init__(self, models: Models, shadow: Shadow, key: str) -> None:
        self._models = models
        self._shadow = shadow
        self._key = key

    def _admit(self, context: Context) -> None:
        refuse_others(self._key, context.invocation_metadata() or ())

    async def ListModels(  # noqa: N802 the name is gRPC's
        self, request: model_pb2.ListModelsRequest, context: Context
    ) -> model_pb2.ListModelsResponse:
        """Return all models."""
        del request
        self._admit(context)
        return model_pb2.ListModelsResponse(models=[self._model(one) for one in self._models.listed()])

    async def AddModel(  # noqa: N802 the name is gRPC's
        self, request: model_pb2.AddModelRequest, context: Context
    ) -> model_pb2.AddModelResponse:
        """Open another encoder and begin to fill its space."""
        self._admit(context)
        name = await self._models.add(sized("encoder", request.encoder, NAME_BYTES, 1))
        return model_pb2.AddModelResponse(model=self._model(self._models.told(name)))

    async def ShadowModel(  # noqa: N802 the name is gRPC's
        self, request: model_pb2.ShadowModelRequest, context: Context
    ) -> model_pb2.ShadowModelResponse:
        """Compare a model."""
        self._admit(context)
        name = self._named(request.model)
        await self._models.compare(name, number("share", request.share, (0.0, 1.0)))
        return model_pb2.ShadowModelResponse(model=self._model(self._models.told(name)))

    async def PromoteModel(  # noqa: N802 the name is gRPC's
        self, request: model_pb2.PromoteModelRequest, context: Context
    ) -> model_pb2.PromoteModelResponse:
        """Let a model answer."""
        self._admit(context)
        name = self._named(request.model)
        await self._models.promote(name)
        return model_pb2.PromoteModelResponse(model=self._model(self._models.told(name)))

    async def RollBack(  # noqa: N802 the name is gRPC's
        self, request: model_pb2.RollBackRequest, context: Context
    ) -> model_pb2.RollBackResponse:
        """Let the model answer that did before."""
        del request
        self._admit(context)
        name = await self._models.roll_back()
        return model_pb2.RollBackResponse(model=self._model(self._models.told(name)))

    async def RemoveModel(  # noqa: N802 the name is gRPC's
        self, request: model_pb2.RemoveModelRequest, context: Context
    ) -> model_pb2.RemoveModelResponse:
        """Take out a model."""
        self._admit(context)
        await self._models.remove(self._named(request.model))
        return model_pb2.RemoveModelResponse()

    def _named(self, name: str) -> str:
        if not name:
            raise InvalidField("model", "is required: the name or the encoder of a model")
        return self._models.named(sized("model", name, NAME_BYTES))

    def _model(self, told: Told) -> model_pb2.Model:
        state = model_pb2.Model.STATE_FILLING if told.filling else model_pb2.Model.STATE_WHOLE
        message = model_pb2.Model(
            name=told.space.model,
            encoder=told.space.url,
            dimensions=told.space.dim,
            state=model_pb2.Model.STATE_AWAY if told.away else state,
            active=told.active,
            before=told.before,
            items_lacking=told.progress.items,
            users_lacking=told.progress.users,
            problem=told.away or told.progress.problem,
        )
        if share := self._shadow.share(told.space.model):
            message.comparison.share = share
        if (found := self._shadow.figures(told.space.model)) is not None:
            message.comparison.MergeFrom(
                model_pb2.Comparison(
                    lists=found.lists,
                    overlap=found.overlap,
                    p50=found.p50,
                    p99=found.p99,
                    active_p50=found.active_p50,
                    active_p99=found.active_p99,
                )
            )
        return message
