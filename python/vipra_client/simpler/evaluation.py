"""Episodes of a benchmark, judged both ways and written down as they end."""

import json
import os
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from vipra_client.images import check_image
from vipra_client.simpler.environments import CONTROL_RATE_HZ

try:
    import fcntl
except ImportError:
    # Windows has none.
    fcntl = None

# Pixels of the longer side of a video, at most.
VIDEO_SIDE = 320

# Of a result, what tables are made of.
RESULT_KEYS = {"task", "episode", "success_last", "success_any", "grasped"}

# Stands for a key that a header does not have: null is a value.
MISSING = object()

# Of a header, what earlier versions did not write, and what servers may not say: unknown, it differs from nothing.
MAY_BE_UNKNOWN = {"server", "seed"}


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

    make_environment: of a task's name. header: what the results belong to; a file with another one is refused, and one that another
    process writes. videos: a folder that gets a video of each episode that is run; one that cannot be written is a warning.
    """
    out = Path(out)
    # Named twice, an episode is still one.
    tasks, episodes = list(dict.fromkeys(tasks)), list(dict.fromkeys(episodes))
    with open(out, "a", encoding="utf-8") as lines:
        lock(lines, out)
        done = finished(out, header)
        results = list(done.values())
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
                    write(lines, result)
                    results.append(result)
                    report(describe(result))
                    if videos is not None:
                        try_write_video(seen, Path(videos) / f"{task}-{episode:02}.webp")
            finally:
                close = getattr(environment, "close", None)
                if close:
                    close()
    return [result for result in results if result["task"] in tasks and result["episode"] in set(episodes)]


def try_write_video(images, path: Path) -> None:
    """A video that cannot be written is a warning: results count, and the next episode is run."""
    try:
        write_video(images, path)
    # A Pillow that was built without WebP does not know its name.
    except (OSError, ValueError, KeyError) as error:
        warnings.warn(f"{path} cannot be written: {error}", stacklevel=2)


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


def lock(lines, out: Path) -> None:
    """Keeps other processes from writing to an open file, until it is closed."""
    try:
        if fcntl is None:
            raise OSError("this system has no flock")
        fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ValueError(f"another process writes these results: {out}") from error
    except OSError as error:
        # Some file systems have no locks.
        warnings.warn(f"{out} cannot be locked ({error}): see that no other process writes to it", stacklevel=2)


def finished(out: Path, header: dict) -> dict:
    """The episodes of a file, by task and number. A last line that a kill cut off is taken away; a file that is refused stays as it is."""
    content = out.read_bytes() if out.exists() else b""
    # As it comes back from a file.
    header = json.loads(json.dumps(header))
    whole = content[: content.rfind(b"\n") + 1]
    if not whole and not json.dumps(header).encode().startswith(content):
        raise ValueError(f"these are no results of an evaluation: {out}")
    done = episodes_of(whole, header, out) if whole else {}
    # Nothing behind the header: it is of an evaluation that could not begin.
    kept = len(whole) if done else 0
    if kept < len(content):
        os.truncate(out, kept)
    return done


def episodes_of(content: bytes, header: dict, out: Path) -> dict:
    """The episodes of whole lines, by task and number."""
    first, *lines = content.splitlines()
    check_header(parsed(first), header, alone=not lines, out=out)
    found, stands = {}, {}
    for number, line in enumerate(lines, start=2):
        result = parsed(line)
        if not isinstance(result, dict) or not RESULT_KEYS <= result.keys():
            raise ValueError(f"line {number} is no episode's result: {out}")
        key = result["task"], result["episode"]
        if key in found:
            lines_of_it = f"lines {stands[key]} and {number}"
            raise ValueError(f"episode {key[1]} of {key[0]} stands twice, in {lines_of_it} (did two processes write it?): {out}")
        found[key], stands[key] = result, number
    return found


def check_header(found, header: dict, alone: bool, out: Path) -> None:
    """Refuses results of something else. alone: with no result behind it a header need not be the same, but one it has to be."""
    if not isinstance(found, dict) or (header and not found.keys() & header.keys()):
        raise ValueError(f"these are no results of an evaluation: {out}")
    if alone and found.keys() - MAY_BE_UNKNOWN == header.keys() - MAY_BE_UNKNOWN:
        return
    differs = sorted(key for key in found.keys() | header.keys() if is_other(key, found, header))
    if differs:
        raise ValueError(f"it has results of something else ({', '.join(differs)}): {out}")


def is_other(key: str, found: dict, header: dict) -> bool:
    """Whether two headers say something else of a key."""
    if key in MAY_BE_UNKNOWN and None in (found.get(key), header.get(key)):
        return False
    return found.get(key, MISSING) != header.get(key, MISSING)


def parsed(line: bytes):
    """The JSON of a line; nothing if it is none."""
    try:
        return json.loads(line)
    except ValueError:
        return None


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
