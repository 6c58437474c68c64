"""A server that speaks the OpenAI protocol and misbehaves on demand."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers `/v1/chat/completions` as its server's plan says, and counts."""

    protocol_version = "HTTP/1.1"
    server: FakeServer

    def do_GET(self) -> None:
        self.send_json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append({"body": body, "key": self.headers.get("Idempotency-Key")})
            reply = self.server.plan[number] if number < len(self.server.plan) else answer
        reply(self, body)

    def send_json(self, status: int, data: Any, **headers: str) -> None:
        self.send_raw(status, json.dumps(data).encode(), **{"Content-Type": "application/json"} | headers)

    def send_raw(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    """`plan` holds what the first requests get; all later ones are answered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[Reply] = []
        self.names = ["fake"]
        self.requests: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that gave up are part of the tests


def completion(text: str, **changes: Any) -> dict[str, Any]:
    """A well-formed answer."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    base = {"id": "1", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice], "usage": usage}
    return base | changes


def answer(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(200, completion("echo: " + str(body["messages"][-1]["content"])))


def status(code: int, **headers: str) -> Reply:
    return lambda handler, body: handler.send_json(code, {"error": {"message": f"status {code}"}}, **headers)


def too_many(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(429, {"error": {"message": "slow down"}})


def too_many_wait(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(429, {"error": {"message": "slow down"}}, Retry_After="0.2")


def hang(handler: Handler, body: dict[str, Any]) -> None:
    handler.server.released.wait(20)
    handler.close_connection = True


def reset(handler: Handler, body: dict[str, Any]) -> None:
    """Half of an answer, then a TCP reset."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"id": "1", "choices": [{"message": {"content": "hal')
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def malformed(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_raw(200, b'{"id": "1", "choices": [{"mess', Content_Type="application/json")


def no_choices(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(200, completion("", choices=[]))


def empty_choice(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(200, completion("", choices=[{"index": 0, "message": None, "finish_reason": "stop"}]))


def wrong_type(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_raw(200, b"<html><body>proxy error</body></html>", Content_Type="text/html")


def bare_string(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(200, "hello")
