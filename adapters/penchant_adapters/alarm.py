"""What a process cannot go on without, and who hears that it is gone."""

import asyncio


class Alarm:
    """Give it to a part as what to call with an error, and let ``run`` be one of the process's tasks: it raises that.

    Better a dead service, which somebody starts again, than one that fails at everything.
    """

    def __init__(self) -> None:
        self._rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __call__(self, error: Exception) -> None:
        """Ring; once is enough."""
        if not self._rung.done():
            self._rung.set_exception(error)

    async def run(self) -> None:
        """Wait for an error and raise it."""
        await self._rung
