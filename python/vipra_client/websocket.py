"""openpi's protocol: one request, one answer, in the robot's units."""

from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from vipra_client.errors import ServerError
from vipra_client.images import check_image, to_jpeg
from vipra_client.messages import pack, unpack

DEFAULT_PORT = 8005


@dataclass
class Chunk:
    """Actions for the steps to come, [horizon, dimensions], in the robot's units, and how long they took, in milliseconds."""

    actions: np.ndarray
    policy_ms: float = 0.0
    server_ms: float = 0.0
    rest: dict = field(default_factory=dict)


class WebSocketClient:
    """A connection. What the server remembers of it (earlier images, states) is forgotten when it is closed."""

    def __init__(self, host="127.0.0.1", port=DEFAULT_PORT, token=None, timeout_secs=60.0, jpeg=False):
        """Connects. `jpeg` sends images as JPEG files: less to send, and a little is lost."""
        address = host if host.startswith(("ws://", "wss://")) else f"ws://{host}"
        if port is not None:
            address += f":{port}"
        headers = {"Authorization": f"Bearer {token}"} if token else None
        self._timeout_secs = timeout_secs
        self._jpeg = jpeg
        try:
            connection = websockets.sync.client.connect(
                address, compression=None, max_size=None, additional_headers=headers, open_timeout=timeout_secs
            )
        except InvalidURI as error:
            raise ValueError(f"{address} is no address: {error}") from error
        except InvalidHandshake as error:
            # Such as no token, or too many connections.
            raise ServerError(f"{address} refuses: {error}") from error
        except OSError as error:
            raise ServerError(f"{address} cannot be reached ({error}): does `vipra serve` run there?") from error
        self._open = ExitStack()
        self._socket = self._open.enter_context(connection)
        self.metadata = self._greeting(address)

    def infer(self, image, prompt=None, previous_image=None, state=None) -> Chunk:
        """The chunk for what the robot sees.

        image, previous_image: RGB, uint8 [height, width, 3]; the second one is what was seen `metadata["frame_interval_secs"]` earlier.
        Without it the server takes what this connection sent at that time.
        state: [dimensions], or [states, dimensions], the oldest first.
        """
        request = {"observation/image": self._image(image, "image")}
        if previous_image is not None:
            request["observation/previous_image"] = self._image(previous_image, "previous_image")
        if state is not None:
            request["observation/state"] = np.asarray(state, dtype=np.float32)
        if prompt is not None:
            request["prompt"] = str(prompt)
        answer = self.request(request)
        timings = answer.get("server_timing", {})
        return Chunk(
            actions=answer.pop("actions"),
            policy_ms=answer.get("policy_timing", {}).get("infer_ms", 0.0),
            server_ms=timings.get("infer_ms", 0.0),
            rest=answer,
        )

    def reset(self) -> None:
        """An episode begins: the server forgets the images and states that this connection sent, and draws as it did from its start.

        Draws are one for all connections.
        """
        answer = self._ask({"endpoint": "reset"})
        if answer != "reset successful":
            self.close()
            raise ServerError(f"the server refuses a reset: {answer[:500]!r}")

    def request(self, request: dict):
        """Sends a map as it is; the answer's map."""
        answer = self._ask(request)
        if isinstance(answer, str):
            self.close()
            raise ServerError(answer)
        return unpack(answer)

    def _greeting(self, address):
        try:
            return unpack(self._socket.recv(timeout=self._timeout_secs))
        except (TimeoutError, ConnectionClosed, TypeError, ValueError) as error:
            self.close()
            raise ServerError(f"{address} does not say what it serves: {error}") from error

    def _ask(self, request: dict):
        try:
            self._socket.send(pack(request))
            answer = self._socket.recv(timeout=self._timeout_secs)
        except TimeoutError as error:
            # The late answer would be taken for that to the next request.
            self.close()
            raise ServerError(f"no answer within {self._timeout_secs} s") from error
        except ConnectionClosed as error:
            raise ServerError(f"the connection is closed, a new client connects again: {error}") from error
        return answer

    def close(self):
        """Says goodbye."""
        self._open.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _image(self, image, name):
        image = check_image(image, name)
        return to_jpeg(image) if self._jpeg else image
