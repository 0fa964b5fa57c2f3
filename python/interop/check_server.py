"""Drives a running server with the real openpi client, and with the calls of ViPRA's published HTTP client.

Usage: check_server.py SERVER, where SERVER is the program of the example `made_server`; it is started here, on a free port. Its actions
say what its policy saw.
"""

import io
import sys

import numpy as np
import orjson
import requests
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from PIL import Image
from served import check, image, served

HORIZON, WIDTH = 14, 7
# The made policy's scale: what the HTTP API divides by.
SCALE = 2.0


def openpi(port):
    policy = WebsocketClientPolicy("127.0.0.1", port)
    metadata = policy.get_server_metadata()
    check("the greeting says the horizon", metadata["action_horizon"], HORIZON)
    check("the greeting says the rate", metadata["control_rate_hz"], 5.0)

    answer = policy.infer({"observation/image": image(7, 48, 96), "prompt": "pick"})
    check("actions have the shape of a chunk", answer["actions"].shape, (HORIZON, WIDTH))
    check("actions tell what was sent, in robot units", answer["actions"][0], [7, 7, 4, 0, 48, 96, 1])
    check("the first answer has no total time", sorted(answer["server_timing"]), ["infer_ms"])
    observation = {
        "observation/image": np.moveaxis(image(9), -1, 0).astype(np.float32) / 255.0,
        "observation/previous_image": image(3),
        "observation/state": np.zeros(8),
        "prompt": np.str_("put it"),
        "something/else": [1, {"nested": None}],
    }
    answer = policy.infer(observation)
    check("an image of fractions, channels first", answer["actions"][0][:3], [3, 9, 6])
    check("the second answer has one", sorted(answer["server_timing"]), ["infer_ms", "prev_total_ms"])

    broker = ActionChunkBroker(policy, action_horizon=7)
    steps = [broker.infer({"observation/image": image(level), "prompt": "x"})["actions"] for level in range(1, 15)]
    check("a broker takes seven actions of a chunk", [step[1] for step in steps], [1] * 7 + [8] * 7)
    broker.reset()

    second = WebsocketClientPolicy("127.0.0.1", port, api_key="ignored")
    check("another connection has its own past", second.infer({"observation/image": image(50), "prompt": "x"})["actions"][0][0], 50)
    try:
        second.infer({"prompt": "x"})
    except RuntimeError as error:
        check("an error comes as text", "observation/image" in str(error), True)
    else:
        raise AssertionError("a request without an image was answered")
    check("others go on", policy.infer({"observation/image": image(1), "prompt": "x"})["actions"][0][1], 1)


def published_http(port):
    """The calls of reference 13: orjson or JPEG at quality 100, the oldest image first, the answer times std plus mean."""
    address, session = f"http://127.0.0.1:{port}", requests.Session()
    json = {"Content-Type": "application/json"}
    answer = session.post(f"{address}/reset", data=orjson.dumps({"task_description": "pick"}), headers=json, timeout=5)
    check("/reset", (answer.status_code, answer.json()["status"]), (200, "success"))

    body = {"image": [image(10).tolist(), image(20).tolist()], "task_description": None}
    answer = session.post(f"{address}/step", data=orjson.dumps(body), headers=json, timeout=5)
    actions = np.asarray(answer.json()["raw_actions"]) * SCALE
    check("/step", actions, [[10, 20, 4, 0, 64, 64, 1]] * HORIZON)

    files = {}
    for at, level in enumerate((100, 200)):
        buffer = io.BytesIO()
        Image.fromarray(image(level, 480, 640)).save(buffer, format="JPEG", quality=100)
        files[f"image{at}"] = (f"image{at}.jpg", buffer.getvalue(), "image/jpeg")
    answer = session.post(f"{address}/step_bytes", files=files, data={"task_description": "put it"}, timeout=5)
    actions = np.asarray(answer.json()["raw_actions"]) * SCALE
    check("/step_bytes, as large as it was sent", actions[0], [100, 200, 6, 0, 480, 640, 1])

    answer = session.post(f"{address}/step", data=orjson.dumps({"task_description": "x"}), headers=json, timeout=5)
    check("a missing field is named", answer.json()["detail"][0]["loc"], ["body", "image"])
    check("with FastAPI's status", answer.status_code, 422)
    check("health", requests.get(f"{address}/healthz", timeout=5).text, "OK\n")


def main():
    with served([sys.argv[1], "--seen"]) as port:
        openpi(port)
        published_http(port)


if __name__ == "__main__":
    main()
