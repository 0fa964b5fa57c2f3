"""Measures the latency of an action chunk in turns: ours and the same sampler in eager PyTorch, with and without a cache.

Usage: chunk.py [--rounds N] [--sizes tiny,small,200m] [--threads N]. Prints the table of `benches/README.md`.
"""

import argparse
import json
import os
import statistics
import sys

from pretrain import ROOT, bench_program, run

# Size, tokens of a condition (an instruction, two frames of the preset's tokens), chunks to time.
TASKS = [("tiny", 190, 40), ("small", 570, 20), ("200m", 570, 8)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="tiny,small,200m")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    ours, peer = [bench_program("chunk")], [sys.executable, str(ROOT / "benches/peers/chunk_torch.py")]
    tasks = [task for task in TASKS if task[0] in args.sizes.split(",")]
    results, loads = {}, []
    for round_number in range(args.rounds):
        for size, length, count in tasks:
            for sampler in ("cached", "naive"):
                options = ["chunk", "--size", size, "--length", str(length), "--count", str(count), "--sampler", sampler]
                for name, command in (("vipra-policy", ours), ("PyTorch", [*peer])):
                    threads = ["--threads", str(args.threads)] if name == "PyTorch" else []
                    result = run([*command, *options, *threads], args.threads)
                    results.setdefault((size, length, sampler), {}).setdefault(name, []).append(result)
                    loads.append(os.getloadavg()[0])
                    print(f"round {round_number + 1}, load {loads[-1]:.1f}: {name}: {json.dumps(result)}", file=sys.stderr)
    print("| size | tokens before the chunk | sampler | | p50, ms (range) | p95, ms | PyTorch's p50 over it | peak memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (size, length, sampler), by_name in results.items():
        for name, runs in by_name.items():
            half = [run["p50_ms"] for run in runs]
            most = statistics.median(run["p95_ms"] for run in runs)
            # Runs of a round stand at the same place.
            speed = statistics.median(peer["p50_ms"] / run["p50_ms"] for peer, run in zip(by_name["PyTorch"], runs))
            peak = max(run["peak_mib"] for run in runs)
            middle = f"{statistics.median(half):.1f} ({min(half):.1f}–{max(half):.1f})"
            print(f"| {size} | {length} | {sampler} | {name} | {middle} | {most:.1f} | {speed:.2f} | {peak} |")
    print(f"\nLoad of the machine while measuring: {min(loads):.1f} to {max(loads):.1f}.")


if __name__ == "__main__":
    main()
