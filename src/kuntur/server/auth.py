"""Who may talk to this server, and what a browser may do with its page.

One random token per start, printed with the address behind a `#`, so that it is never sent in a request line, a
referrer or a log. All but the page's own files needs it. Host names other than localhost and IP literals are refused,
which is what stops DNS rebinding: a rebound name arrives in the Host header.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

PROTOCOL: Final = "kuntur.live.v1"  # the live socket's subprotocol; the token travels as the second one offered


def new_token() -> str:
    """192 random bits, safe in an address and in a header."""
    return secrets.token_urlsafe(24)


def offered_token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The token a request brings: `Authorization: Bearer`, or the second subprotocol of a WebSocket."""
    if connection.scope["type"] == ScopeType.WEBSOCKET:
        offered = [name.strip() for name in connection.headers.get("sec-websocket-protocol", "").split(",")]
        return offered[1] if len(offered) == 2 and offered[0] == PROTOCOL else ""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def require_token(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Litestar guard: the session's token, compared in constant time."""
    if not secrets.compare_digest(offered_token(connection).encode(), str(connection.app.state.token).encode()):
        raise NotAuthorizedException("This address needs the session token. Open the address that kuntur printed.")


def trusted_host(host: str) -> bool:
    """Whether a Host header names this machine by number, or as localhost."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header is the page of this very server. No Origin: no browser, so no page to be misled."""
    parts = urlsplit(origin)
    return not origin or (parts.scheme in ("http", "https") and parts.netloc == host)


def page_policy(index_html: str) -> str:
    """Content-Security-Policy: nothing from outside; of inline scripts the import map alone, by its hash.

    HOST stands for this server's own address: older Firefox does not take 'self' to mean its WebSocket too.
    """
    found = re.search(r'<script type="importmap"[^>]*>(.*?)</script>', index_html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256((found.group(1) if found else "").encode()).digest()).decode()
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "worker-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self' ws://HOST",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class Door:
    """ASGI middleware: refuses foreign hosts and origins, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self.app = app
        self.policy = policy
        self.headers = {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = given.get(b"host", ""), given.get(b"origin", "")
        if not trusted_host(host) or not same_origin(origin, host):
            await self._refuse(scope, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders(message)
                headers["content-security-policy"] = self.policy.replace("HOST", host)
                for name, value in self.headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)

    @staticmethod
    async def _refuse(scope: Scope, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": "foreign host or origin"})
            return
        body = b"This server answers only to its own address. Open the address that kuntur printed.\n"
        await send(
            {
                "type": "http.response.start",
                "status": 403,
                "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})
