"""Many clients at a time, with random images: python -m vipra_client.load. Says how many answers each of them got, and how long they took."""

import argparse
import sys
import threading
from time import monotonic, perf_counter

import numpy as np

from vipra_client.errors import ServerError
from vipra_client.websocket import DEFAULT_PORT, WebSocketClient

# Answers that are not counted: the first ones find caches empty.
WARM_UP = 2


def ask(host, port, token, secs, size, seed, times, faults):
    """One client, until its time is over; `times` are those of its answers, in milliseconds."""
    draw = np.random.default_rng(seed)
    try:
        with WebSocketClient(host, port, token=token) as client:
            states, names = client.metadata.get("states", 0), client.metadata.get("state_names") or []
            images = draw.integers(0, 256, (2, *size, 3), dtype=np.uint8)
            state = np.zeros((states, len(names)), np.float32) if names else None
            end = None
            while end is None or monotonic() < end:
                began = perf_counter()
                client.infer(images[0], f"put object {seed % 4} down", previous_image=images[1], state=state)
                times.append((perf_counter() - began) * 1e3)
                if end is None and len(times) == WARM_UP:
                    times.clear()
                    end = monotonic() + secs
    except (OSError, ServerError) as error:
        faults.append(f"client {seed}: {error}")


def load(host, port, clients, secs, size, token=None):
    """The times of each client's answers, in milliseconds, and what went wrong."""
    times, faults = [[] for _ in range(clients)], []
    threads = [
        threading.Thread(target=ask, args=(host, port, token, secs, size, seed, times[seed], faults)) for seed in range(clients)
    ]
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
    flags.add_argument("--clients", type=int, default=16, help="[default: %(default)s]")
    flags.add_argument("--secs", type=float, default=30.0, help="[default: %(default)s]")
    flags.add_argument("--size", type=int, nargs=2, default=[256, 256], metavar=("HEIGHT", "WIDTH"), help="[default: 256 256]")
    args = flags.parse_args(arguments)
    times, faults = load(args.host, args.port, args.clients, args.secs, args.size)
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
