"""An HTTP server that answers what a test tells it to: the answers that no good server gives."""

import http.server
import ssl
import threading
from types import TracebackType
from typing import Self


class StubServer:
    """Answers every request alike, on a free loopback port, and keeps what it was asked.

    Args:
        tls: to serve https.

    Attributes:
        status: the status of the next answers.
        answer: their body.
        headers: headers in addition to Content-Length.
        claims: the Content-Length to claim, or None for the truth; more than there is breaks the connection off early.
        requests: the requests so far: method, path and body as one text each.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status = 200
        self.answer = b""
        self.headers: dict[str, str] = {}
        self.claims: int | None = None
        self.requests: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(stub: StubServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            stub.requests.append(f"{self.command} {self.path} {body.decode(errors='replace')}")
            self.send_response(stub.status)
            for name, value in stub.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(stub.answer) if stub.claims is None else stub.claims))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(stub.answer)
            if stub.claims is not None:
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815  (names that the base class calls)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
