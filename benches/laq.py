"""Measures the latent action model in turns: ours, then the same model in eager PyTorch.

Usage: laq.py [--rounds N] [--sizes tiny,small,paper] [--modes train,label] [--threads N]. Prints the table of
`benches/README.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Of training: clips of a step, frames of a clip. Of labelling: windows at a time, frames of the episode.
# Steps are measured in one process after one to warm up, where a step is not long anyway; the slowest get fewer rounds.
TASKS = {
    ("tiny", "train"): {"batch": 8, "frames": 8, "steps": 5},
    ("small", "train"): {"batch": 2, "frames": 8, "steps": 3},
    ("paper", "train"): {"batch": 1, "frames": 4, "steps": 2, "rounds": 3},
    ("tiny", "label"): {"batch": 8, "frames": 64, "steps": 3},
    ("small", "label"): {"batch": 4, "frames": 32, "steps": 1, "warm-up": 0},
    ("paper", "label"): {"batch": 1, "frames": 4, "steps": 1, "warm-up": 0, "rounds": 3},
}
OURS, PEER = "vipra-laq", "PyTorch"


def bench_program():
    """Builds our bench; the path of its executable."""
    # All of the workspace: a selection by package changes the features of shared dependencies and builds them again.
    command = ["cargo", "bench", "--workspace", "--bench", "laq", "--no-run", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    programs = [message["executable"] for message in messages if message.get("target", {}).get("name") == "laq"]
    return programs[-1]


def run(command, threads):
    # PyTorch gets its threads as an argument.
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def task_name(mode, task):
    if mode == "train":
        return f"train, {task['batch']} × {task['frames']} frames"
    return f"label, {task['frames']} frames, {task['batch']} windows at a time"


def print_table(results):
    print("| size | task | model | result, median (range) | speed, PyTorch = 1 | CPU s a step | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (size, mode), by_name in results.items():
        for name, runs in by_name.items():
            base = [run["median_s"] for run in by_name[PEER]]
            # Runs of a round stand at the same place.
            speed = statistics.median(peer / run["median_s"] for peer, run in zip(base, runs))
            field, unit, digits = ("median_s", "s a step", 3) if mode == "train" else ("frames_per_s", "frames/s", 3)
            values = [run[field] for run in runs]
            spread = (min(values), statistics.median(values), max(values))
            low, middle, high = (f"{value:.{digits}f}" for value in spread)
            processor = statistics.median(run["user_s"] + run["system_s"] for run in runs)
            peak = max(run["peak_mib"] for run in runs)
            task = task_name(mode, TASKS[size, mode])
            result = f"{middle} ({low}–{high}) {unit}"
            print(f"| {size} | {task} | {name} | {result} | {speed:.2f} | {processor:.2f} | {peak:.0f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="tiny,small,paper")
    parser.add_argument("--modes", default="train,label")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    ours = [bench_program()]
    peer = [sys.executable, "benches/peers/laq_torch.py"]
    sizes, modes = args.sizes.split(","), args.modes.split(",")
    tasks = {key: task for key, task in TASKS.items() if key[0] in sizes and key[1] in modes}
    results = {key: {OURS: [], PEER: []} for key in tasks}
    loads = []
    for round_number in range(args.rounds):
        for (size, mode), task in tasks.items():
            if round_number >= task.get("rounds", args.rounds):
                continue
            numbers = [text for key, value in task.items() if key != "rounds" for text in (f"--{key}", str(value))]
            options = [mode, "--size", size, *numbers]
            commands = {OURS: [*ours, *options], PEER: [*peer, *options, "--threads", str(args.threads)]}
            for name, command in commands.items():
                result = run(command, args.threads)
                results[size, mode][name].append(result)
                loads.append(os.getloadavg()[0])
                print(f"round {round_number + 1}, load {loads[-1]:.1f}: {name}: {json.dumps(result)}", file=sys.stderr)
    print_table(results)
    print(f"\n{args.threads} threads; load average of the machine {min(loads):.1f}–{max(loads):.1f}.")


main()
