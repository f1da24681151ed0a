"""Makes one attempt to deliver: finds the host's addresses, checks them, and calls one of them.

The addresses that are checked are those that are connected to: nothing looks a name up a second
time. No redirects, no proxies, no cookies.
"""

import asyncio
import socket
from contextlib import suppress

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from server.webhooks.addresses import AddressRefused, Target, UrlRefused
from server.webhooks.attempts import Answer
from server.webhooks.guard import TIMEOUT, Guard

MAX_EXCERPT = 1_024  # bytes of an answer that are looked at
EXCERPT_SECONDS = 1.0  # for these, once the status is there


class _CheckedResolver(AbstractResolver):
    """Gives the HTTP client addresses that were checked, and no others."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._guard.addresses(host)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Sender:
    """Calls receivers; `close` it in the end."""

    def __init__(self, guard: Guard, timeout: float = TIMEOUT) -> None:
        self._guard = guard
        self._timeout = timeout
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_CheckedResolver(guard), use_dns_cache=False, force_close=True, limit=0
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # ours covers looking up as well
            auto_decompress=False,
            trust_env=False,
            headers={
                "content-type": "application/json",
                "user-agent": "Lyceum-Webhooks",
                "accept-encoding": "identity",
            },
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.close()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Make one attempt; what goes wrong is part of the answer."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(self._guard.read(url), headers, body)
        except TimeoutError:
            return Answer(None, f"There was no answer within {self._timeout:g} s.")
        except (UrlRefused, AddressRefused) as error:
            return Answer(None, str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, _explained(error))

    async def _post(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        url = URL.build(
            scheme=target.scheme,
            host=target.host,
            port=target.port,
            path=target.path,
            query_string=target.query,
            encoded=True,
        )
        async with self._client.post(
            url, data=body, headers=headers, allow_redirects=False
        ) as response:
            status = response.status
            if 200 <= status < 300:
                return Answer(status, "")
            if 300 <= status < 400:
                return Answer(
                    status, f"The receiver answered {status}; redirects are not followed."
                )
            excerpt = await _excerpt(response)
            return Answer(status, f"The receiver answered {status}{excerpt and ': '}{excerpt}")


async def _excerpt(response: aiohttp.ClientResponse) -> str:
    """The beginning of an answer's body, as text that may be stored and shown."""
    body = b""
    with suppress(aiohttp.ClientError, TimeoutError):  # what came until then will do
        async with asyncio.timeout(EXCERPT_SECONDS):
            while piece := await response.content.read(MAX_EXCERPT - len(body)):
                body += piece
    text = body.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _explained(error: Exception) -> str:
    """What went wrong, without the URL, whose path may hold a secret."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "The receiver's TLS certificate is not valid for its name."
        case aiohttp.ClientSSLError():
            return "The receiver does not speak TLS as it should."
        case aiohttp.ClientConnectorError():
            return f"The receiver can't be connected to: {error.strerror}."
        case aiohttp.ServerDisconnectedError():
            return "The receiver closed the connection without an answer."
        case aiohttp.ClientError():
            return f"The receiver's answer can't be read ({type(error).__name__})."
    return f"The attempt failed ({type(error).__name__})."
