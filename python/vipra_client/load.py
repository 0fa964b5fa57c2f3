"""Many clients at a time, with random images: python -m vipra_client.load. Says how many answers each of them got, and how long they took.

By WebSocket images travel raw, by HTTP as JPEG files (`/step_bytes`).
"""

import argparse
import sys
import threading
from time import monotonic, perf_counter

import numpy as np
import requests

from vipra_client.errors import ServerError
from vipra_client.http import HttpClient
from vipra_client.websocket import DEFAULT_PORT, WebSocketClient

# Answers that are not counted: the first ones find caches empty.
WARM_UP = 2


# How long an answer may take: all other clients are before it.
TIMEOUT_SECS = 60.0


def by_websocket(host, port, images, state, task):
    """A connection, and what asks by it."""
    client = WebSocketClient(host, port, timeout_secs=TIMEOUT_SECS)
    return client, lambda: client.infer(images[1], task, previous_image=images[0], state=state)


def by_http(host, port, images, state, task):
    """A client of the HTTP API, and what asks by it."""
    client = HttpClient(host, port, timeout_secs=TIMEOUT_SECS)
    return client, lambda: client.step_bytes(*images, task, state)


PROTOCOLS = {"websocket": by_websocket, "http": by_http}


def state_of(host, port):
    """A state of zeros for policies that see states: the greeting says how many numbers it has."""
    with WebSocketClient(host, port, timeout_secs=TIMEOUT_SECS) as client:
        names = client.metadata.get("state_names") or []
        return np.zeros((client.metadata["states"], len(names)), np.float32) if names else None


def ask(connect, secs, times):
    """One client, until its time is over; `times` are those of its answers, in milliseconds."""
    client, infer = connect()
    with client:
        end = None
        while end is None or monotonic() < end:
            began = perf_counter()
            infer()
            times.append((perf_counter() - began) * 1e3)
            if end is None and len(times) == WARM_UP:
                times.clear()
                end = monotonic() + secs


def load(protocol, host, port, clients, secs, size):
    """The times of each client's answers, in milliseconds, and what went wrong."""
    times, faults = [[] for _ in range(clients)], []
    state = state_of(host, port)

    def one(number):
        images = np.random.default_rng(number).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        try:
            ask(lambda: PROTOCOLS[protocol](host, port, images, state, f"put object {number % 4} down"), secs, times[number])
        except (OSError, ValueError, ServerError, requests.RequestException) as error:
            faults.append(f"client {number}: {error}")

    # Ctrl-C ends the program and does not wait for their answers.
    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, faults


def main(arguments=None) -> int:
    """Exit codes: 0 no error, 1 an error, which is printed."""
    flags = argparse.ArgumentParser(prog="python -m vipra_client.load", description=__doc__)
    flags.add_argument("--host", default="127.0.0.1", help="[default: %(default)s]")
    flags.add_argument("--port", type=int, default=DEFAULT_PORT, help="[default: %(default)s]")
    flags.add_argument("--protocol", choices=list(PROTOCOLS), default="websocket", help="[default: %(default)s]")
    flags.add_argument("--clients", type=int, default=16, help="[default: %(default)s]")
    flags.add_argument("--secs", type=float, default=30.0, help="[default: %(default)s]")
    flags.add_argument("--size", type=int, nargs=2, default=[256, 256], metavar=("HEIGHT", "WIDTH"), help="[default: 256 256]")
    args = flags.parse_args(arguments)
    if args.clients < 1:
        flags.error("--clients is one at least")
    try:
        times, faults = load(args.protocol, args.host, args.port, args.clients, args.secs, args.size)
    except (OSError, ValueError, ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    answers = [len(of_client) for of_client in times]
    together = np.concatenate([np.asarray(of_client) for of_client in times])
    if together.size:
        p50, p95, p99 = np.percentile(together, [50, 95, 99])
        print(f"{sum(answers)} answers in {args.secs:g} s; {min(answers)} to {max(answers)} for each of {args.clients} clients")
        print(f"{p50:.1f} ms p50, {p95:.1f} ms p95, {p99:.1f} ms p99")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults or not together.size else 0


if __name__ == "__main__":
    sys.exit(main())
