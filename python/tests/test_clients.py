"""Both clients, against servers inside of the test."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from vipra_client import HttpClient, ServerError, WebSocketClient
from vipra_client.messages import pack

IMAGE = np.full((4, 6, 3), 9, np.uint8)


def test_a_request_has_the_keys_of_the_greeting(made_server):
    server = made_server()
    with WebSocketClient(port=server.port) as client:
        assert client.metadata["action_horizon"] == 14
        chunk = client.infer(IMAGE, "pick", previous_image=IMAGE + 1, state=[1, 2])
        client.infer(IMAGE)
    assert chunk.actions.shape == (14, 7)
    assert (chunk.policy_ms, chunk.server_ms) == (3.0, 4.0)
    first, second = server.requests
    assert list(first) == ["observation/image", "observation/previous_image", "observation/state", "prompt"]
    np.testing.assert_array_equal(first["observation/previous_image"], IMAGE + 1)
    assert first["observation/state"].dtype == np.float32
    assert list(second) == ["observation/image"]


def test_no_client_looks_like_a_web_page(made_server, published_server):
    """Servers refuse requests with an `Origin`: browsers send it."""
    server, (port, asked) = made_server(), published_server
    with WebSocketClient(port=server.port) as client:
        client.infer(IMAGE, "pick")
    with HttpClient(port=port) as client:
        client.reset("pick")
        client.step(IMAGE, IMAGE)
        client.step_bytes(IMAGE, IMAGE)
    headers = [*server.headers, *(headers for _, headers, _ in asked)]
    assert len(headers) == 4 and all(one.get("Origin") is None for one in headers)


def test_images_can_travel_as_files(made_server):
    server = made_server()
    with WebSocketClient(port=server.port, jpeg=True) as client:
        client.infer(IMAGE, "pick")
    assert server.requests[0]["observation/image"][:2] == b"\xff\xd8"


def test_a_text_is_an_error_and_ends_the_connection(made_server):
    server = made_server()
    server.answer = lambda request: "`prompt`: is missing"
    client = WebSocketClient(port=server.port)
    with pytest.raises(ServerError, match="prompt"):
        client.infer(IMAGE)
    with pytest.raises(ServerError, match="closed"):
        client.infer(IMAGE)


def test_a_late_answer_is_not_taken_for_the_next(made_server):
    server = made_server()
    release = threading.Event()

    def late(request):
        release.wait(10)
        return pack({"actions": np.zeros((14, 7), np.float32)})

    client = WebSocketClient(port=server.port)
    client.infer(IMAGE, "pick")
    client._timeout_secs = 0.3
    server.answer = late
    with pytest.raises(ServerError, match="0.3 s"):
        client.infer(IMAGE, "pick")
    release.set()
    with pytest.raises(ServerError, match="closed"):
        client.infer(IMAGE, "pick")


def test_a_reset_is_no_error(made_server):
    server = made_server()
    with WebSocketClient(port=server.port) as client:
        client.reset()
        assert client.infer(IMAGE, "pick").actions.shape == (14, 7)
        server.answer = lambda request: "`endpoint`: is not known"
        with pytest.raises(ServerError, match="refuses a reset.*endpoint"):
            client.reset()
    assert server.requests[0] == {"endpoint": "reset"}


def test_a_server_without_a_greeting_is_an_error(made_server):
    server = made_server()
    server.greets = False
    with pytest.raises(ServerError, match="does not say what it serves"):
        WebSocketClient(port=server.port)


def test_a_server_that_goes_away_is_an_error(made_server):
    server = made_server()
    server.answer = lambda request: None
    with WebSocketClient(port=server.port) as client, pytest.raises(ServerError, match="closed"):
        client.infer(IMAGE, "pick")


@pytest.fixture
def published_server():
    """What the published server answers, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers, body))
            status, answer = 200, {"raw_actions": [[1.0, 2.0]] * 3}
            if self.path == "/reset":
                answer = {"status": "success", "message": ""}
            elif b"refuse" in body:
                status, answer = 500, {"detail": "no"}
            elif b"busy" in body and len(asked) < 3:
                status, answer = 503, {"detail": "busy"}
            text = b"<html>" if b"page" in body else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], asked
    server.shutdown()


def test_the_published_calls_are_made(published_server):
    port, asked = published_server
    with HttpClient(port=port, token="secret", mean=[10.0, 20.0], std=[2.0, 3.0]) as client:
        client.reset("pick")
        np.testing.assert_array_equal(client.step(IMAGE, IMAGE), [[12.0, 26.0]] * 3)
        client.step_bytes(IMAGE, IMAGE, "pick")
        client.step(IMAGE, IMAGE, state=np.ones((2, 1)))
        client.step_bytes(IMAGE, IMAGE, state=[[1.0], [0.5]])
    assert [path for path, _, _ in asked] == ["/reset", "/step", "/step_bytes", "/step", "/step_bytes"]
    assert asked[0][1]["Authorization"] == "Bearer secret"
    assert json.loads(asked[0][2]) == {"task_description": "pick"}
    step = json.loads(asked[1][2])
    assert (np.asarray(step["image"]).shape, step["task_description"]) == ((2, 4, 6, 3), None)
    for name in (b'name="image0"', b'name="image1"', b'name="task_description"'):
        assert name in asked[2][2]
    # What the published API does not have is sent only where it was given.
    assert "state" not in step and b'name="state"' not in asked[2][2]
    assert json.loads(asked[3][2])["state"] == [[1.0], [1.0]]
    assert b'name="state"' in asked[4][2] and b"[[1.0], [0.5]]" in asked[4][2]


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(published_server):
    port, asked = published_server
    with HttpClient(port=port) as client:
        client.step(IMAGE, IMAGE, "busy")
        assert len(asked) == 3
        with pytest.raises(ServerError, match="500"):
            client.step(IMAGE, IMAGE, "refuse")
        assert len(asked) == 4


def test_a_page_is_no_answer(published_server):
    port, _ = published_server
    with HttpClient(port=port) as client, pytest.raises(ServerError, match="/step answers no JSON: <html>"):
        client.step(IMAGE, IMAGE, "page")


def test_a_busy_server_behind_tls_is_asked_again_too():
    with HttpClient("https://robot") as client:
        assert client._session.get_adapter("https://robot:8005/step").max_retries.total == 3


def test_what_is_no_address_is_said():
    with pytest.raises(ValueError, match="ws://:8005 is no address"):
        WebSocketClient("")


def test_a_server_that_refuses_is_an_error():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(ServerError, match="refuses.*401"):
        WebSocketClient(port=server.server_address[1])
    server.shutdown()


def test_nobody_there_is_not_healthy():
    assert not HttpClient(port=9).healthy()
    with pytest.raises(ValueError, match="go together"):
        HttpClient(mean=[1.0])


def test_a_server_that_hangs_is_not_healthy_and_is_asked_once():
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: _take(listener, connections), daemon=True).start()
        with HttpClient(port=port, timeout_secs=0.2) as client:
            assert not client.healthy()
            connections.clear()
            with pytest.raises(ServerError, match="timed out"):
                client.reset("pick")
    assert len(connections) == 1


def test_a_server_that_is_not_there_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServerError, match=f"{port} cannot be reached .*vipra serve"):
        WebSocketClient(port=port)


def _take(listener, connections):
    while True:
        try:
            connections.append(listener.accept())
        except OSError:
            return
