"""A page as one JSON document, sent when it is over; a client that leaves stops the decoding."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.live_page import LivePage, Watch
from api.sse import departure, until_first


class GatheredPage(Response):
    """Waits for the page, then answers with it, or with the problem that ended it."""

    media_type = "application/json"

    def __init__(self, page: LivePage, watch: Watch) -> None:
        super().__init__()
        self._page = page
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await until_first(self._watch.until_over(), departure(receive))
        finally:
            self._watch.close()
        page = self._page
        if page.problem is not None:
            await page.problem.response(page.plan.request_id)(scope, receive, send)
        elif page.over:
            await Response(page.json(), media_type=self.media_type)(scope, receive, send)
