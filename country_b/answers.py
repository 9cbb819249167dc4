"""How the portal API answers when something is wrong: one JSON shape for every refusal.

    {refusal, text, who_can_fix, code, subject, correlation_id[, fields][, needed]}

The last-resort handler is here too: it logs the correlation id and tells nothing of the inside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from country_b.explanations import EXPLANATIONS
from country_b.fields import BadInput
from country_b.session import OutOfOrder, UnknownSession
from gateway.domain import ExchangeError, Refusal

CORRELATION: web.RequestKey[str] = web.RequestKey("correlation_id", str)

_HTTP_REFUSALS = {
    403: ("forbidden", "web pages, and whoever calls this portal by another name, may not use it"),
    404: ("not-found", "there is nothing at this address"),
    405: ("method-not-allowed", "this address does not take this method"),
    413: ("too-large", "the request is larger than this portal takes"),
}

_log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal_answer(
    status: int, refusal: str, text: str, who: str, correlation_id: str, **more: Any
) -> web.Response:
    """A refusal as JSON."""
    body = {
        "refusal": refusal,
        "text": text,
        "who_can_fix": who,
        "code": "",
        "subject": "",
        "correlation_id": correlation_id,
        **more,
    }
    return web.json_response(body, status=status)


def exchange_answer(error: ExchangeError, correlation_id: str) -> web.Response:
    """A refusal of the exchange as JSON, with the peer's own code beneath."""
    how = EXPLANATIONS[error.refusal]
    return refusal_answer(
        how.status,
        error.refusal.value,
        error.text,
        how.who_can_fix,
        correlation_id,
        code=error.code,
        subject=error.subject,
    )


def make_refusals(new_id: Callable[[], str]) -> Any:
    """The middleware that gives each request its correlation id and each failure its answer."""

    @web.middleware
    async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
        correlation_id = new_id()
        request[CORRELATION] = correlation_id
        try:
            response = await handler(request)
        except ExchangeError as error:
            _log.info("refused", correlation_id=correlation_id, refusal=error.refusal.value)
            response = exchange_answer(error, correlation_id)
        except OutOfOrder as error:
            response = refusal_answer(
                409,
                "step-out-of-order",
                str(error),
                "you: do the step that is named first",
                correlation_id,
                needed="" if error.needed is None else error.needed.value,
                state=error.state.value,
            )
        except BadInput as error:
            response = refusal_answer(
                400,
                Refusal.MALFORMED_REQUEST.value,
                "some fields cannot be used",
                "you: correct the fields that are named",
                correlation_id,
                fields=error.problems,
            )
        except UnknownSession:
            response = refusal_answer(
                404,
                "unknown-session",
                "no visit has this id",
                "you: open a visit",
                correlation_id,
            )
        except web.HTTPException as error:
            if error.status < 400:
                raise
            name, text = _HTTP_REFUSALS.get(error.status, ("bad-request", error.reason))
            response = refusal_answer(
                error.status, name, text, "you: change the request", correlation_id
            )
        except Exception:  # noqa: BLE001  the last resort: the asker must get an answer
            _log.exception("fault", correlation_id=correlation_id)
            response = refusal_answer(
                500,
                Refusal.INTERNAL.value,
                "this gateway has a fault; its log has more under the correlation id",
                EXPLANATIONS[Refusal.INTERNAL].who_can_fix,
                correlation_id,
            )
        if not response.prepared:
            response.headers["X-Correlation-Id"] = correlation_id
            # What is shown is about a patient, and comes as the type it says.
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return refusals
