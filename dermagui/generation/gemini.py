"""Gemini through google-genai: the only module that imports it. One call is at most one request.

The client is told everything that the environment could otherwise change (service, address, version),
and everything that it would do by itself is off: retries, continuation, function calling, aiohttp.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any

from dermagui.errors import DermaError, ServiceError
from dermagui.generation.service import Call, Reply
from dermagui.logs import redacted
from dermagui.network import Purpose, async_transport, host_of, sent_bytes, system_certificates

_SERVER_GIVES_UP_EARLIER_SECONDS = 10
_SAFETY_CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)
SAFETY_THRESHOLD = "BLOCK_ONLY_HIGH"
"""Bare skin must not count as indecent; higher thresholds are not switched off."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where and how Gemini is reached."""

    key: str = field(repr=False)
    base_url: str
    api_version: str
    timeout_seconds: int
    service_tier: str
    connections: int


class Gemini:
    """A client for one key; use it as an async context manager, one for a whole run."""

    def __init__(self, service: Service) -> None:
        """Raises ``network.bad_address`` for an address that is neither HTTPS nor this computer."""
        self.host = host_of(service.base_url)
        self._service = service
        self._transports: list[Any] = []
        self._warnings = warnings.catch_warnings()
        self._client = self._connect(Purpose.GENERATE)

    def _connect(self, purpose: Purpose) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK warns of two keys in the environment; it is given one
            from google import genai
            from google.genai import types

            certificates = system_certificates()
            transport = async_transport(purpose, {self.host}, self._service.connections)
            self._transports.append(transport)
            options = types.HttpOptions(
                base_url=self._service.base_url,
                api_version=self._service.api_version,
                timeout=self._service.timeout_seconds * 1000,
                headers={
                    "X-Server-Timeout": str(
                        max(1, self._service.timeout_seconds - _SERVER_GIVES_UP_EARLIER_SECONDS)
                    )
                },
                retry_options=types.HttpRetryOptions(attempts=1),
                # Followed, a redirect would be a second sending, and to whom nobody agreed on.
                async_client_args={
                    "transport": transport,
                    "follow_redirects": False,
                    # Without them the SDK reads certificates of its own, for ways that are never taken.
                    "verify": certificates,
                    "ssl": certificates,
                },
            )
            return genai.Client(api_key=self._service.key, vertexai=False, http_options=options).aio

    async def list_models(self) -> list[str]:
        """The ids of the models that this key may ask to generate.

        Raises ``ServiceError`` ``gemini.no_model_list`` where the service does not tell.
        """
        from google.genai import errors

        client = self._connect(Purpose.LIST_MODELS)
        try:
            found = [model async for model in await client.models.list(config={"page_size": 1000})]
        except (errors.APIError, OSError, ValueError, _request_error()) as error:
            raise ServiceError("gemini.no_model_list", detail=type(error).__name__) from error
        finally:
            await client.aclose()
        return [
            (model.name or "").removeprefix("models/")
            for model in found
            if "generateContent" in (model.supported_actions or ["generateContent"])
        ]

    async def generate(self, call: Call) -> Reply:
        """Sends one request and tells what came back. Raises only what the door raises."""
        from google.genai import errors

        contents, config = _contents(call), _config(call, self._service.service_tier)
        sizes: list[int] = []
        token = sent_bytes.set(sizes)
        try:
            response = await self._client.models.generate_content(
                model=call.model, contents=contents, config=config
            )
            return Reply(body=response.sdk_http_response.body or "", sent_bytes=sum(sizes))
        except errors.APIError as error:
            return _refusal(error, sum(sizes))
        except DermaError:
            raise
        except Exception as error:  # whatever the SDK makes of an odd answer: it may have been paid
            return Reply(
                http_status=0, transport=_transport_kind(error), message=str(error), sent_bytes=sum(sizes)
            )
        finally:
            sent_bytes.reset(token)

    async def __aenter__(self) -> Gemini:
        # An enumeration that the SDK does not know yet is data to us. Filters belong to the process, not to
        # a call: calls that overlap would put back each other's.
        self._warnings.__enter__()
        warnings.simplefilter("ignore", UserWarning)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._warnings.__exit__(kind, error, trace)
        await self._client.aclose()
        for transport in self._transports:
            await transport.aclose()


def sdk_version() -> str:
    """The version of google-genai, for the run's record."""
    from importlib.metadata import version

    return version("google-genai")


def _contents(call: Call) -> Any:
    from google.genai import types

    # The constant part first and the picture last: the service may then cache what requests share.
    parts = [
        types.Part(text=call.user),
        types.Part(inline_data=types.Blob(data=call.pixels.encoded, mime_type=call.pixels.mime_type)),
    ]
    return [types.Content(role="user", parts=parts)]


def _config(call: Call, service_tier: str) -> Any:
    from google.genai import types

    return types.GenerateContentConfig(
        system_instruction=call.system,
        response_mime_type="application/json",
        response_json_schema=call.schema,
        max_output_tokens=call.max_output_tokens,
        safety_settings=_safety_settings(),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        should_return_http_response=True,
        store=False,
        service_tier=types.ServiceTier(service_tier) if service_tier != "standard" else None,
    )


@cache
def _safety_settings() -> list[Any]:
    from google.genai import types

    threshold = types.HarmBlockThreshold(SAFETY_THRESHOLD)
    return [
        types.SafetySetting(category=types.HarmCategory(name), threshold=threshold)
        for name in _SAFETY_CATEGORIES
    ]


def _refusal(error: Any, size: int) -> Reply:
    details = error.details if isinstance(error.details, dict) else {}
    inner = details.get("error", details)
    rows = inner.get("details") if isinstance(inner, dict) else None
    return Reply(
        http_status=int(error.code or 0),
        status=str(error.status or ""),
        message=redacted(str(error.message or "")),
        details=tuple(rows) if isinstance(rows, list) else (),
        sent_bytes=size,
    )


def _request_error() -> type[Exception]:
    import httpx2

    return httpx2.RequestError


def _transport_kind(error: Exception) -> str:
    import httpx2

    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)):
        return "connect"
    return "timeout" if isinstance(error, httpx2.TimeoutException) else "disconnected"
