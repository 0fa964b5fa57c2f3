"""The frame tokenizer in eager PyTorch: the training step and the tokens of the bench `frames` of vipra-tokenizer.

Usage: tokenizer_torch.py [WIDTH] [FRAMES OF A STEP] [STEPS] [--threads N]. Prints the same lines of JSON as the bench.
"""

import argparse
import json
import os
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

MULTIPLIERS, GROUPS, LATENT, CODES, CODE_DIM = (1, 1, 2, 2), 8, 32, 512, 16
SIDE, ENCODED, WARM_UP = 64, 64, 2
WIDTHS, CONVOLUTIONS = (8, 16, 32, 32, 32), (2, 2, 3, 3, 3)


def convolution(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Norm(nn.GroupNorm):
    def __init__(self, channels):
        super().__init__(GROUPS, channels, eps=1e-6)

    def forward(self, x):
        return F.silu(super().forward(x))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.inner = nn.Sequential(
            Norm(inputs), convolution(inputs, outputs), Norm(outputs), convolution(outputs, outputs)
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return self.shortcut(x) + self.inner(x)


class Halve(nn.Conv2d):
    def __init__(self, channels):
        super().__init__(channels, channels, 3, stride=2)

    def forward(self, x):
        return super().forward(F.pad(x, (0, 1, 0, 1)))


class Vqgan(nn.Module):
    def __init__(self, width):
        super().__init__()
        widths = [width * multiplier for multiplier in MULTIPLIERS]
        encoder, channels = [convolution(3, width)], width
        for at, outputs in enumerate(widths):
            encoder.append(Block(channels, outputs))
            if at + 1 < len(widths):
                encoder.append(Halve(outputs))
            channels = outputs
        encoder += [Block(channels, channels), Block(channels, channels), Norm(channels), convolution(channels, LATENT)]
        decoder = [convolution(LATENT, channels), Block(channels, channels), Block(channels, channels)]
        for at, outputs in reversed(list(enumerate(widths))):
            decoder += [Block(channels, outputs), Block(outputs, outputs)]
            if at > 0:
                decoder += [nn.Upsample(scale_factor=2), convolution(outputs, outputs)]
            channels = outputs
        decoder += [Norm(channels), convolution(channels, 3)]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(LATENT, CODE_DIM, 1))
        self.decoder = nn.Sequential(nn.Conv2d(CODE_DIM, LATENT, 1), *decoder)
        self.register_buffer("codebook", torch.randn(CODES, CODE_DIM))

    def choose(self, vectors):
        """[frames, code_dim, rows, columns] -> [frames, rows, columns]"""
        frames, dim, rows, columns = vectors.shape
        flat = vectors.permute(0, 2, 3, 1).reshape(-1, dim)
        return torch.cdist(flat, self.codebook).argmin(1).view(frames, rows, columns)

    def encode(self, frames):
        return self.choose(self.encoder(frames * 2 - 1))

    def reconstruct(self, frames):
        vectors = self.encoder(frames * 2 - 1)
        coded = self.codebook[self.choose(vectors.detach())].permute(0, 3, 1, 2)
        return (self.decoder(vectors + (coded - vectors).detach()) + 1) / 2


class Perceptual(nn.Module):
    """The features of a small VGG, compared as LPIPS does."""

    def __init__(self):
        super().__init__()
        blocks, channels = [], 3
        for at, (width, count) in enumerate(zip(WIDTHS, CONVOLUTIONS)):
            layers = [nn.MaxPool2d(2)] if at else []
            for _ in range(count):
                layers += [convolution(channels, width), nn.ReLU()]
                channels = width
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.requires_grad_(False)

    def features(self, x):
        for block in self.blocks:
            x = block(x)
            yield x / (x.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt() + 1e-10)

    def forward(self, x, target):
        with torch.no_grad():
            wanted = list(self.features(target * 2 - 1))
        seen = self.features(x * 2 - 1)
        return sum((a - b).square().sum(1).mean() for a, b in zip(seen, wanted))


def report(task, frames, steps, work):
    seconds = []
    for index in range(WARM_UP + steps):
        if index == WARM_UP:
            before = os.times()
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    after = os.times()
    result = {"task": task, "frames": frames, "median_s": round(statistics.median(seconds[WARM_UP:]), 4)}
    result["user_s"] = round((after.user - before.user) / steps, 4)
    result["system_s"] = round((after.system - before.system) / steps, 4)
    result["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(result), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("width", type=int, nargs="?", default=32)
    parser.add_argument("batch", type=int, nargs="?", default=16)
    parser.add_argument("steps", type=int, nargs="?", default=8)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    model, perceptual = Vqgan(args.width), Perceptual()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    frames = torch.rand(args.batch, 3, SIDE, SIDE)

    def train():
        rebuilt = model.reconstruct(frames)
        loss = (rebuilt - frames).abs().mean() + 0.1 * perceptual(rebuilt, frames)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    report("train", args.batch, args.steps, train)
    together = torch.rand(ENCODED, 3, SIDE, SIDE)
    with torch.inference_mode():
        report("encode", ENCODED, args.steps, lambda: model.encode(together).tolist())


if __name__ == "__main__":
    main()
