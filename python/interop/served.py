"""Starts a server for a check, and says what was found."""

import contextlib
import socket
import subprocess
import time

import numpy as np
import requests

# For a policy's weights to be read and its first inference.
START_SECS = 60.0


def image(level, height=64, width=64):
    """An image of one level."""
    return np.full((height, width, 3), level, np.uint8)


def check(what, found, expected):
    """Equal, to the last digit."""
    assert np.array_equal(found, expected), f"{what}: {found} is not {expected}"
    print(f"ok  {what}")


@contextlib.contextmanager
def served(command):
    """The port of a server that `command` with `--port` starts, once it is healthy; it has to end in peace afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_until_healthy(server, port)
        yield port
    finally:
        server.terminate()
        code = server.wait(timeout=20)
    check("the server ends in peace", code, 0)


def wait_until_healthy(server, port):
    end = time.monotonic() + START_SECS
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=1).text == "OK\n":
                return
        time.sleep(0.05)
    raise AssertionError(f"the server is not healthy after {START_SECS:g} s, or ended (exit code {server.poll()})")
