"""A server of openpi's protocol inside of the test, that says what it is told and keeps what it was asked."""

import threading

import numpy as np
import pytest
import websockets.sync.server

from vipra_client.messages import pack, unpack

METADATA = {
    "policy": "made",
    "action_kind": "delta-end-effector",
    "action_names": ["dx_m", "dy_m", "dz_m", "rot_x_rad", "rot_y_rad", "rot_z_rad", "gripper_open"],
    "rotation": "rotation-vector",
    "gripper": {"dimension": "gripper_open", "open": 1.0, "closed": -1.0},
    "action_horizon": 14,
    "control_rate_hz": 5.0,
    "frame_interval_secs": 2.8,
    "state_names": None,
    "states": 0,
    "crops": 1,
    "fingerprints": {},
}


class MadeServer:
    """Answers chunks in which action `n` is `n` everywhere, and resets; `answer` may be replaced by what is to be sent."""

    greets = True


    def __init__(self, metadata):
        self.metadata, self.requests, self.answer, self.headers = metadata, [], self.chunk, []
        self._server = websockets.sync.server.serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def chunk(self, request):
        if request == {"endpoint": "reset"}:
            return "reset successful"
        actions = np.repeat(np.arange(14, dtype=np.float32)[:, None], 7, axis=1)
        return pack({"actions": actions, "policy_timing": {"infer_ms": 3.0}, "server_timing": {"infer_ms": 4.0}})

    def _serve(self, socket):
        self.headers.append(socket.request.headers)
        if not self.greets:
            return
        socket.send(pack(self.metadata))
        for message in socket:
            self.requests.append(unpack(message))
            answer = self.answer(self.requests[-1])
            if answer is None:
                return
            socket.send(answer)

    def close(self):
        self._server.shutdown()


@pytest.fixture
def made_server():
    servers = []

    def make(**changes):
        servers.append(MadeServer({**METADATA, **changes}))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
