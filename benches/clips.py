"""Measures clip loading in turns: ours, then lerobot's dataset class with each of its decoders that works here.

Usage: clips.py DATASET [--rounds N] [--secs S]. Prints the table of `benches/README.md`.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1]), None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=float, default=5.0)
    args = parser.parse_args()
    dataset = str(args.dataset.resolve())

    subprocess.run(["cargo", "bench", "-q", "-p", "vipra-data", "--bench", "clips", "--no-run"], cwd=ROOT, check=True)
    ours = ["cargo", "bench", "-q", "-p", "vipra-data", "--bench", "clips", "--", dataset]
    peer = [sys.executable, "benches/peers/lerobot_clips.py", dataset]
    contestants = {
        "vipra-data": ours,
        "lerobot, torchcodec": [*peer, "--decoder", "torchcodec"],
        "lerobot, pyav": [*peer, "--decoder", "pyav"],
    }
    results = {}
    for round_number in range(args.rounds):
        for workers in (1, 2):
            for name, command in list(contestants.items()):
                result, error = run([*command, "--workers", str(workers), "--secs", str(args.secs)])
                if result is None:
                    print(f"{name}: does not work here: {error}", file=sys.stderr)
                    del contestants[name]
                    continue
                results.setdefault((workers, name), []).append(result)
                print(f"round {round_number + 1}: {name}, {workers} workers: {result}", file=sys.stderr)

    print("| workers | loader | frames/s, median (range) | ratio to ours | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- |")
    for workers, name in sorted(results, key=lambda key: (key[0], list(contestants).index(key[1]))):
        rates = [result["frames_per_s"] for result in results[workers, name]]
        base = [result["frames_per_s"] for result in results[workers, "vipra-data"]]
        ratio = statistics.median(rate / ours for rate, ours in zip(rates, base))
        peak = max(result["peak_mib"] for result in results[workers, name])
        spread = f"{statistics.median(rates):.0f} ({min(rates):.0f}–{max(rates):.0f})"
        print(f"| {workers} | {name} | {spread} | {ratio:.2f} | {peak:.0f} |")


main()
