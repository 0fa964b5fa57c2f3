"""Throughput of lerobot's dataset class on the task of `crates/vipra-data/benches/clips.rs`.

Usage: lerobot_clips.py DATASET --workers N --secs S --decoder torchcodec|pyav. Prints one line of JSON.
"""

import argparse
import json
import os
import resource
import time
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torchvision.transforms import v2

FRAMES = 8
WARM_UP_CLIPS = 50


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--secs", type=float, default=5.0)
    parser.add_argument("--decoder", default="torchcodec")
    args = parser.parse_args()

    torch.set_num_threads(1)
    camera = "observation.images.third_person"
    dataset = LeRobotDataset(
        "local/bench",
        root=args.dataset,
        delta_timestamps={camera: [frame / 5 for frame in range(FRAMES)]},
        image_transforms=v2.Resize((128, 128), antialias=True),
        video_backend=args.decoder,
    )
    order = torch.utils.data.RandomSampler(dataset, replacement=True, num_samples=10**6)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, sampler=order, num_workers=args.workers, prefetch_factor=4
    )
    clips = iter(loader)
    for _ in range(WARM_UP_CLIPS):
        assert next(clips)[camera].shape == (FRAMES, 3, 128, 128)

    began = time.perf_counter()
    frames = 0
    while time.perf_counter() - began < args.secs:
        next(clips)
        frames += FRAMES
    rate = frames / (time.perf_counter() - began)
    del clips
    peak = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ) / 1024
    print(json.dumps({"workers": args.workers, "frames_per_s": round(rate, 1), "peak_mib": round(peak)}))


main()
