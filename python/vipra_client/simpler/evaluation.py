"""Episodes of a benchmark, judged both ways and written down as they end."""

import json
import os
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from vipra_client.images import check_image
from vipra_client.simpler.environments import CONTROL_RATE_HZ

# Pixels of the longer side of a video, at most.
VIDEO_SIDE = 320


def run_episode(environment, policy, task: str, episode: int, seen: list | None = None) -> dict:
    """One episode, to its end whatever happens in it, as the original's evaluator does.

    `success_last` is the official verdict, at the last step; `success_any` is that of evaluators that stop at the first success.
    seen: gets the image of each step.
    """
    environment.reset(episode)
    policy.reset(environment.instruction())
    began, steps, over = perf_counter(), 0, False
    success_any = grasped = False
    verdict = {"success_now": False, "grasped": False}
    while not over:
        image, state = environment.observe()
        if seen is not None:
            seen.append(image)
        _, action = policy.step(image, environment.instruction(), state=state)
        over = environment.step(np.concatenate([action["world_vector"], action["rot_axangle"], action["gripper"]]))
        over = bool(over) or bool(action["terminate_episode"][0] > 0)
        verdict = environment.verdict()
        success_any |= bool(verdict["success_now"])
        grasped |= bool(verdict["grasped"])
        steps += 1
    return {
        "task": task,
        "episode": episode,
        "instruction": environment.instruction(),
        "success_last": bool(verdict["success_now"]),
        "success_any": success_any,
        "grasped": grasped,
        "steps": steps,
        "secs": round(perf_counter() - began, 3),
        "latencies": [round(ms, 3) for ms in policy.chunk_ms],
    }


def evaluate(
    make_environment, policy, tasks, episodes, out: Path, header: dict, report=print, videos: Path | None = None
) -> list[dict]:
    """All episodes of all tasks; those that `out` already has are not run again.

    make_environment: of a task's name. header: what the results belong to; a file with another one is refused. videos: a folder that
    gets a video of each episode that is run.
    """
    out = Path(out)
    # Named twice, an episode is still one.
    tasks, episodes = list(dict.fromkeys(tasks)), list(dict.fromkeys(episodes))
    done = finished(out, header)
    results = list(done.values())
    with open(out, "a", encoding="utf-8") as lines:
        if out.stat().st_size == 0:
            write(lines, header)
        for task in tasks:
            missing = [episode for episode in episodes if (task, episode) not in done]
            if not missing:
                continue
            environment = make_environment(task)
            try:
                for episode in missing:
                    seen = None if videos is None else []
                    result = run_episode(environment, policy, task, episode, seen)
                    if videos is not None:
                        write_video(seen, Path(videos) / f"{task}-{episode:02}.webp")
                    write(lines, result)
                    results.append(result)
                    report(describe(result))
            finally:
                close = getattr(environment, "close", None)
                if close:
                    close()
    return [result for result in results if result["task"] in tasks and result["episode"] in set(episodes)]


def write_video(images, path: Path) -> None:
    """Images as an animated WebP that browsers show, at the speed of the robot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = []
    for image in images:
        frame = Image.fromarray(check_image(image))
        frame.thumbnail((VIDEO_SIDE, VIDEO_SIDE))
        frames.append(frame)
    partial = path.with_suffix(".partial")
    frames[0].save(partial, format="WEBP", save_all=True, append_images=frames[1:], duration=round(1000 / CONTROL_RATE_HZ), loop=0)
    os.replace(partial, path)


def write(lines, entry: dict) -> None:
    """One line, on the disk before the next episode begins."""
    lines.write(json.dumps(entry) + "\n")
    lines.flush()
    os.fsync(lines.fileno())


def finished(out: Path, header: dict) -> dict:
    """The episodes of a file, by task and number. A last line that a kill cut off is taken away."""
    if not out.exists() or out.stat().st_size == 0:
        return {}
    text = out.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole, encoding="utf-8")
    if not whole:
        return {}
    first, *results = [json.loads(line) for line in whole.splitlines()]
    if not results:
        # It is of an evaluation that could not begin.
        out.write_text("", encoding="utf-8")
        return {}
    if first != header:
        differs = sorted(key for key in first.keys() | header.keys() if first.get(key) != header.get(key))
        raise ValueError(f"it has results of something else ({', '.join(differs)}): {out}")
    return {(result["task"], result["episode"]): result for result in results}


def describe(result: dict) -> str:
    """An episode in a line."""
    verdict = "success" if result["success_last"] else ("success, then lost" if result["success_any"] else "failure")
    grasped = ", grasped" if result["grasped"] else ""
    took = f"{result['steps']} steps in {result['secs']:.0f} s"
    return f"{result['task']} {result['episode']}: {verdict}{grasped}; {took}, chunk {np.median(result['latencies']):.0f} ms"


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a rate, after Wilson."""
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    middle = rate + z * z / (2 * trials)
    half = z * np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    whole = 1 + z * z / trials
    return float(max(0.0, (middle - half) / whole)), float(min(1.0, (middle + half) / whole))


def summary(results: list[dict]) -> str:
    """A table: each task and all of them, both verdicts and the grasp rate with their intervals."""
    rows = [["task", "n", "success, last step", "success, any step", "grasped"]]
    groups = {task: [one for one in results if one["task"] == task] for task in dict.fromkeys(one["task"] for one in results)}
    if len(groups) > 1:
        groups["all"] = results
    for name, group in groups.items():
        cells = [name, str(len(group))]
        for key in ("success_last", "success_any", "grasped"):
            count = sum(one[key] for one in group)
            low, high = wilson(count, len(group))
            cells.append(f"{count / len(group):.1%} [{low:.1%}, {high:.1%}]")
        rows.append(cells)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
