"""The HTTP API of ViPRA's published server: two images, and actions in the model's units unless the server was told otherwise."""

import json

import numpy as np
import requests
from requests.adapters import HTTPAdapter, Retry

from vipra_client.errors import ServerError
from vipra_client.images import check_image, to_jpeg
from vipra_client.websocket import DEFAULT_PORT

# What the published client does about a server that is busy or starting. A server that thinks for too long is not asked again.
RETRIES = Retry(total=3, read=0, backoff_factor=0.1, status_forcelist=[502, 503, 504], allowed_methods=None, raise_on_status=False)


class HttpClient:
    """Asks one server. The task is the server's, and the same for all its HTTP clients that do not name theirs."""

    def __init__(self, host="127.0.0.1", port=DEFAULT_PORT, token=None, timeout_secs=5.0, mean=None, std=None):
        """`mean` and `std` take actions to the robot's units; without them they stay as the server sends them."""
        if (mean is None) != (std is None):
            raise ValueError("mean and std go together")
        self._address = host if host.startswith(("http://", "https://")) else f"http://{host}"
        self._address += f":{port}" if port is not None else ""
        self._timeout_secs = timeout_secs
        self._mean, self._std = mean, std
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def reset(self, task: str) -> None:
        """An episode of a task begins."""
        self._post("/reset", json={"task_description": task})

    def step(self, previous_image, image, task=None, state=None) -> np.ndarray:
        """Actions, [horizon, dimensions]; images travel as nested lists.

        state: for policies that see the robot's states, [states, dimensions], the oldest first. The published API does not have it.
        """
        images = [check_image(previous_image, "previous_image"), check_image(image, "image")]
        body = {"image": [pixels.tolist() for pixels in images], "task_description": task}
        if state is not None:
            body["state"] = _numbers(state)
        return self._actions(self._post("/step", json=body))

    def step_bytes(self, previous_image, image, task=None, state=None) -> np.ndarray:
        """Actions, [horizon, dimensions]; images travel as JPEG files. state: as that of `step`."""
        images = [check_image(previous_image, "previous_image"), check_image(image, "image")]
        files = {f"image{at}": (f"{at}.jpg", to_jpeg(pixels), "image/jpeg") for at, pixels in enumerate(images)}
        data = {} if task is None else {"task_description": task}
        if state is not None:
            data["state"] = json.dumps(_numbers(state))
        return self._actions(self._post("/step_bytes", files=files, data=data))

    def healthy(self) -> bool:
        """Whether the server is there and its policy ready."""
        try:
            return requests.get(self._address + "/healthz", timeout=self._timeout_secs).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def close(self):
        """Gives the connection back."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _post(self, path, **content):
        try:
            response = self._session.post(self._address + path, timeout=self._timeout_secs, **content)
        except requests.RequestException as error:
            raise ServerError(f"{path}: {error}") from error
        if response.status_code != 200:
            raise ServerError(f"{path} answers {response.status_code}: {response.text[:500]}")
        try:
            return response.json()
        except ValueError as error:
            raise ServerError(f"{path} answers no JSON: {response.text[:500]}") from error

    def _actions(self, answer) -> np.ndarray:
        actions = np.asarray(answer["raw_actions"], dtype=np.float64)
        return actions if self._mean is None else actions * np.asarray(self._std) + np.asarray(self._mean)


def _numbers(state) -> list:
    return np.asarray(state, dtype=np.float64).tolist()
