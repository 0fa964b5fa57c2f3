"""Drives `vipra serve` of a policy package with the real openpi client, and with the calls of ViPRA's published HTTP client.

Usage: check_package.py VIPRA PACKAGE. What the policy was trained to do is not judged here: chunks have the shape and the finite numbers that
the greeting promises, and the same question brings the same chunk over every protocol, in the units that the protocol has.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import orjson
import requests
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from PIL import Image
from served import check, served

PROMPT = "put carrot on plate"
# In normalised units: between chunks that went through them in single precision, and those that did not.
TOLERANCE = 1e-4


class Package:
    """What a package says of itself."""

    def __init__(self, path):
        path = Path(path)
        path = path if (path / "policy.json").exists() else path / "package"
        specification = json.loads((path / "policy.json").read_text())["specification"]
        statistics = json.loads((path / "statistics.json").read_text())
        control, self.execution = specification["control"], specification["execution"]
        self.scale, self.offset = (np.asarray(control["action"]["normalizer"][part]) for part in ("scale", "offset"))
        self.names = control["action"]["names"]
        self.shape = (control["horizon"], len(self.names))
        self.height, self.width = control["image_size"]
        proprio = control["proprio"]
        # What `--http-assume-state` stands in with.
        mean = proprio and statistics[specification["features"]["state"]]["mean"]
        self.states = None if proprio is None else np.tile(mean, (proprio["states"], 1))

    def images(self):
        """The earlier and the current image, of the policy's size."""
        return np.random.default_rng(0).integers(0, 256, (2, self.height, self.width, 3), dtype=np.uint8)

    def observation(self):
        """A request of the WebSocket."""
        previous, image = self.images()
        request = {"observation/image": image, "observation/previous_image": previous, "prompt": PROMPT}
        return request if self.states is None else {**request, "observation/state": self.states}

    def is_chunk(self, what, actions):
        """Says so, or fails."""
        check(f"{what}: shape", np.shape(actions), self.shape)
        check(f"{what}: finite numbers", bool(np.isfinite(actions).all()), True)


def close(what, found, expected, scale):
    difference = float(np.abs((found - expected) / scale).max())
    assert difference < TOLERANCE, f"{what}: {difference} apart"
    print(f"ok  {what} ({difference:.1e} apart)")


def openpi(port, package):
    """The first chunk of a server, in robot units."""
    policy = WebsocketClientPolicy("127.0.0.1", port)
    metadata = policy.get_server_metadata()
    check("the greeting names the actions", metadata["action_names"], package.names)
    check("the greeting tells how chunks are executed", metadata["execution"], package.execution)
    first = np.array(policy.infer(package.observation())["actions"])
    package.is_chunk("a chunk for openpi's client", first)

    plain = {key: value for key, value in package.observation().items() if key != "observation/previous_image"}
    package.is_chunk("without the earlier image", policy.infer(plain)["actions"])
    camera = {**package.observation(), "observation/image": np.zeros((480, 640, 3), np.uint8)}
    package.is_chunk("an image of the camera's size", policy.infer(camera)["actions"])
    broker = ActionChunkBroker(policy, action_horizon=7)
    steps = [broker.infer(package.observation())["actions"] for _ in range(14)]
    check("two chunks are executed action by action", np.shape(steps), (14, package.shape[1]))
    try:
        WebsocketClientPolicy("127.0.0.1", port).infer({"prompt": PROMPT})
    except RuntimeError as error:
        check("a request without an image is an error", "observation/image" in str(error), True)
    else:
        raise AssertionError("a request without an image was answered")
    package.is_chunk("others go on", policy.infer(package.observation())["actions"])
    return first


def published_http(port, package):
    """The first chunk of a server, by the calls of reference 13 and nothing else; as they come."""
    address, session = f"http://127.0.0.1:{port}", requests.Session()
    headers = {"Content-Type": "application/json"}
    answer = session.post(f"{address}/reset", data=orjson.dumps({"task_description": PROMPT}), headers=headers, timeout=5)
    check("/reset", (answer.status_code, answer.json()["status"]), (200, "success"))
    body = {"image": [one.tolist() for one in package.images()], "task_description": None}
    answer = session.post(f"{address}/step", data=orjson.dumps(body), headers=headers, timeout=5)
    check("/step", answer.status_code, 200)
    first = np.asarray(answer.json()["raw_actions"])
    package.is_chunk("/step", first)

    files = {}
    for at, one in enumerate(package.images()):
        buffer = io.BytesIO()
        Image.fromarray(one).resize((640, 480)).save(buffer, format="JPEG", quality=100)
        files[f"image{at}"] = (f"image{at}.jpg", buffer.getvalue(), "image/jpeg")
    answer = session.post(f"{address}/step_bytes", files=files, data={"task_description": PROMPT}, timeout=5)
    check("/step_bytes", answer.status_code, 200)
    package.is_chunk("/step_bytes", answer.json()["raw_actions"])
    return first


def main():
    vipra, path = sys.argv[1:]
    package = Package(path)
    command = [vipra, "serve", path]
    # The published client knows of no states.
    assumed = [] if package.states is None else ["--http-assume-state"]
    with served(command) as port:
        by_socket = openpi(port, package)
    with served([*command, *assumed]) as port:
        normalized = published_http(port, package)
    with served([*command, *assumed, "--http-units", "robot"]) as port:
        by_http = published_http(port, package)
    close("HTTP in robot units says what the WebSocket says", by_http, by_socket, package.scale)
    published = normalized * package.scale + package.offset
    close("so does HTTP times std plus mean, as the published client takes it", published, by_socket, package.scale)


if __name__ == "__main__":
    main()
