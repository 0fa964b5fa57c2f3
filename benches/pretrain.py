"""Measures a training step of the multimodal transformer in turns: ours, ours with every logit, the same model in eager
PyTorch with every logit.

Usage: pretrain.py [--rounds N] [--tasks sizes,lengths] [--threads N]. Prints the tables of `benches/README.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Size, samples of a step, positions of a sample, steps after one to warm up.
SIZES = [("tiny", 8, 470, 3), ("small", 2, 1058, 2), ("200m", 1, 1058, 1)]
LENGTHS = [("tiny", 4, 256, 3), ("tiny", 4, 512, 3), ("tiny", 4, 1024, 2), ("tiny", 4, 2048, 1), ("tiny", 4, 4096, 1)]
OURS, OURS_ALL, PEER = "vipra-policy", "vipra-policy, all logits", "PyTorch"


def bench_program(name="pretrain"):
    """Builds one of our benches; the path of its executable."""
    # All of the workspace: a selection by package changes the features of shared dependencies and builds them again.
    command = ["cargo", "bench", "--workspace", "--bench", name, "--no-run", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    programs = [message["executable"] for message in messages if message.get("executable") and message["target"]["name"] == name]
    return programs[-1]


def run(command, threads):
    # PyTorch gets its threads as an argument.
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_table(tasks, results):
    print("| size | samples × positions | model | tokens/s, median (range) | speed, PyTorch = 1 | peak memory, MiB | memory, PyTorch = 1 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for task in tasks:
        size, batch, length, _ = task
        by_name = results[task]
        peer_peak = max(run["peak_mib"] for run in by_name[PEER])
        for name, runs in by_name.items():
            # Runs of a round stand at the same place.
            speed = statistics.median(peer["median_s"] / run["median_s"] for peer, run in zip(by_name[PEER], runs))
            values = [run["tokens_per_s"] for run in runs]
            peak = max(run["peak_mib"] for run in runs)
            result = f"{statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})"
            print(f"| {size} | {batch} × {length} | {name} | {result} | {speed:.2f} | {peak:.0f} | {peak / peer_peak:.2f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", default="sizes,lengths")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    ours = [bench_program()]
    peer = [sys.executable, "benches/peers/policy_torch.py"]
    chosen = [tasks for name, tasks in (("sizes", SIZES), ("lengths", LENGTHS)) if name in args.tasks.split(",")]
    results = {task: {OURS: [], OURS_ALL: [], PEER: []} for tasks in chosen for task in tasks}
    loads = []
    for round_number in range(args.rounds):
        for task, by_name in results.items():
            size, batch, length, steps = task
            options = ["train", "--size", size, "--batch", str(batch), "--length", str(length), "--steps", str(steps)]
            commands = {
                OURS: [*ours, *options],
                OURS_ALL: [*ours, *options, "--logits", "all"],
                PEER: [*peer, *options, "--threads", str(args.threads)],
            }
            for name, command in commands.items():
                result = run(command, args.threads)
                by_name[name].append(result)
                loads.append(os.getloadavg()[0])
                print(f"round {round_number + 1}, load {loads[-1]:.1f}: {name}: {json.dumps(result)}", file=sys.stderr)
    for tasks in chosen:
        print_table(tasks, results)
        print()
    print(f"{args.threads} threads; load average of the machine {min(loads):.1f}–{max(loads):.1f}.")


if __name__ == "__main__":
    main()
