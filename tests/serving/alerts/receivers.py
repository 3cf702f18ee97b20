"""Real receivers on this machine: an HTTP server, the same behind a TLS proxy that stands for any host, and an SMTP server."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


@dataclass
class Request:
    """One request: to which host (of a proxy), path, and its JSON body."""

    host: str
    path: str
    body: Any


@dataclass
class Receiver:
    """Where it listens, what it was sent, and what it answers (status and body, the same each time)."""

    port: int
    requests: list[Request] = field(default_factory=list)
    status: int = 200
    answer: str = "ok"

    @property
    def url(self) -> str:
        """An Apprise URL of it."""
        return f"json://127.0.0.1:{self.port}/alerts"

    @property
    def messages(self) -> list[str]:
        return [request.body["message"] for request in self.requests]


def _handler(receiver: Receiver, tls: ssl.SSLContext | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.requests.append(Request(self.headers["Host"], self.path, body))
            self.send_response(receiver.status)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer.encode())

        def do_CONNECT(self) -> None:
            """Any host is this one: the tunnel ends here."""
            assert tls is not None
            self.send_response(200)
            self.end_headers()
            self.connection = tls.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            self.handle_one_request()
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Nothing on stderr."""

    return Handler


@contextmanager
def http_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver, tls))
    receiver.port = server.server_address[1]
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def own_certificate(folder: Path) -> ssl.SSLContext:
    """The server side of TLS with a certificate that nobody has signed."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run([*command, "-subj", "/CN=test", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextmanager
def smtp_receiver() -> Iterator[tuple[int, list[Any]]]:
    """An SMTP server: its port, and the envelopes it was given."""
    from aiosmtpd.controller import Controller

    envelopes: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
            envelopes.append(envelope)
            return "250 taken"

    controller = Controller(Handler(), hostname="127.0.0.1", port=closed_port())
    controller.start()
    try:
        yield controller.port, envelopes
    finally:
        controller.stop()


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
