"""Reads datasets of `interop_datasets` with the lerobot library and compares every value.

Usage: check_lerobot.py FOLDER
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

# Flat grey survives compression within this many levels of 255.
PICTURE_TOLERANCE = {"video": 2.0, "image": 0.01}


def compare(name, found, wanted):
    assert np.array_equal(np.asarray(found), np.asarray(wanted)), f"{name}: {found} is not {wanted}"


def check(root: Path, expected: dict, finished: bool) -> int:
    dataset = LeRobotDataset("local/" + root.name, root=root, video_backend="pyav")
    episodes = expected["episodes"]
    assert dataset.num_episodes == len(episodes) and dataset.fps == expected["fps"]
    assert dataset.num_frames == sum(episode["length"] for episode in episodes)
    compared = 0
    index = 0
    for number, episode in enumerate(episodes):
        for frame in range(episode["length"]):
            item = dataset[index]
            where = f"{root.name} episode {number} frame {frame}"
            compare(f"{where} index", item["index"], index)
            compare(f"{where} frame_index", item["frame_index"], frame)
            compare(f"{where} episode_index", item["episode_index"], number)
            compare(f"{where} timestamp", item["timestamp"], np.float32(frame / expected["fps"]))
            compare(f"{where} task", item["task"], episode["task"])
            for name, values in episode["columns"].items():
                feature = dataset.features[name]
                width = int(np.prod(feature["shape"]))
                wanted = values[frame * width : (frame + 1) * width]
                if feature["dtype"] != "string":
                    wanted = np.array(wanted, dtype=feature["dtype"]).reshape(feature["shape"])
                    found = item[name].numpy()
                    # One value comes back without its axis, and some libraries keep float64 as float32.
                    wanted = wanted.reshape(found.shape).astype(found.dtype)
                else:
                    found, wanted = item[name], wanted[0]
                compare(f"{where} {name}", found, wanted)
            for camera, levels in episode["levels"].items():
                feature = dataset.features[camera]
                height, width, _ = feature["shape"]
                assert tuple(item[camera].shape) == (3, height, width), where
                off = float((item[camera].float() * 255 - levels[frame]).abs().mean())
                assert off <= PICTURE_TOLERANCE[feature["dtype"]], f"{where} {camera}: off by {off} levels"
            compared += 1
            index += 1
    if finished:
        check_statistics(dataset, episodes)
    return compared


def check_statistics(dataset, episodes):
    for name in ("observation.state", "action"):
        rows = np.concatenate([np.array(e["columns"][name], dtype=np.float32).reshape(-1, 3) for e in episodes])
        rows = rows.astype(np.float64)
        stats = dataset.meta.stats[name]
        for statistic, wanted in {
            "min": rows.min(0),
            "max": rows.max(0),
            "mean": rows.mean(0),
            "std": rows.std(0),
            "q01": np.quantile(rows, 0.01, axis=0),
            "q50": np.quantile(rows, 0.5, axis=0),
            "q99": np.quantile(rows, 0.99, axis=0),
        }.items():
            assert np.allclose(stats[statistic], wanted, rtol=1e-9, atol=1e-9), f"{name} {statistic}"


def main():
    folder = Path(sys.argv[1])
    for name in ("video-av1", "video-h264", "images", "interrupted"):
        expected = json.loads((folder / f"{name}.json").read_text())
        compared = check(folder / name, expected, finished=name != "interrupted")
        print(f"{name}: {compared} frames, every value as written")


main()
