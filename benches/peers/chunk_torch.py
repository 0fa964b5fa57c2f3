"""Latency of an action chunk in eager PyTorch: the same sampler as the bench `chunk`, with and without a cache.

Usage: chunk_torch.py chunk [--size tiny|small|200m] [--rows N] [--length L] [--count N] [--sampler cached|naive] [--threads N].
Prints one line of JSON, the same as the bench.
"""

import argparse
import json
import math
import resource
import time

import torch
from torch import nn
from torch.nn import functional as F

from policy_torch import SIZES, THETA, rotate

HORIZON, ACTION, STEPS, WARM_UP = 14, 7, 10, 3


class Layer(nn.Module):
    def __init__(self, dim, heads, inner):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_forward_norm = nn.RMSNorm(dim, eps=1e-6), nn.RMSNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.gate = nn.Linear(dim, inner, bias=False)
        self.up = nn.Linear(dim, inner, bias=False)
        self.down = nn.Linear(inner, dim, bias=False)

    def forward(self, x, cos, sin, held, mask):
        """held: keys and values of what was read before; returns the layer's output and all keys and values."""
        rows, length, dim = x.shape
        projected = self.qkv(self.attention_norm(x)).view(rows, length, 3, self.heads, dim // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        if held is not None:
            key, value = torch.cat((held[0], key), 2), torch.cat((held[1], value), 2)
        if mask is None:
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(attended.transpose(1, 2).reshape(rows, length, dim))
        hidden = self.feed_forward_norm(x)
        return x + self.down(F.silu(self.gate(hidden)) * self.up(hidden)), (key, value)


class Policy(nn.Module):
    def __init__(self, dim, layers, heads, inner, vocabularies):
        super().__init__()
        text, vision, _ = vocabularies
        self.dim, self.head_dim = dim, dim // heads
        self.text, self.vision = nn.Embedding(text, dim), nn.Embedding(vision, dim)
        self.layers = nn.ModuleList(Layer(dim, heads, inner) for _ in range(layers))
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.linear_1, self.linear_2 = nn.Linear(ACTION, dim // 2), nn.Linear(dim, dim)
        self.linear_3, self.head = nn.Linear(dim, dim), nn.Linear(dim, ACTION)

    def rotary(self, first, count):
        frequencies = THETA ** (-torch.arange(0, self.head_dim, 2) / self.head_dim)
        angles = torch.arange(first, first + count)[:, None] * frequencies
        return angles.cos(), angles.sin()

    def run(self, x, first, cache, mask):
        cos, sin = self.rotary(first, x.shape[1])
        held = []
        for index, layer in enumerate(self.layers):
            x, both = layer(x, cos, sin, cache[index] if cache else None, mask)
            held.append(both)
        return self.norm(x), held

    def embed_actions(self, actions, t):
        half = self.dim // 4
        frequencies = torch.exp(-math.log(10000) * torch.arange(half) / (half - 1))
        time_embedding = torch.cat(((t * frequencies).sin(), (t * frequencies).cos()))
        embedded = self.linear_1(actions)
        both = torch.cat((time_embedding.expand(*embedded.shape[:2], -1), embedded), -1)
        return self.linear_3(F.silu(self.linear_2(both)))


def make(policy, sampler, rows, length):
    ids = (torch.arange(rows * length) * 7 % 500).view(rows, length)
    is_text = (torch.arange(length) * 3 < length)[None, :, None]
    condition = torch.where(is_text, policy.text(ids), policy.vision(ids))
    x = torch.randn(rows, HORIZON, ACTION)
    if sampler == "cached":
        _, cache = policy.run(condition, 0, None, None)
        mask = torch.ones(HORIZON, length + HORIZON, dtype=torch.bool).tril(length)
    for step in range(STEPS):
        embedded = policy.embed_actions(x, step / STEPS)
        if sampler == "cached":
            hidden, _ = policy.run(embedded, length, cache, mask)
        else:
            hidden, _ = policy.run(torch.cat((condition, embedded), 1), 0, None, None)
        x = x + policy.head(hidden[:, -HORIZON:]) / STEPS
    return x.tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["chunk"])
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--length", type=int, default=190)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--sampler", choices=["cached", "naive"], default="cached")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    policy = Policy(*SIZES[args.size]).eval()
    milliseconds = []
    with torch.inference_mode():
        for index in range(WARM_UP + args.count):
            began = time.perf_counter()
            make(policy, args.sampler, args.rows, args.length)
            if index >= WARM_UP:
                milliseconds.append(1e3 * (time.perf_counter() - began))
    milliseconds.sort()
    quantile = lambda share: round(milliseconds[round((len(milliseconds) - 1) * share)], 4)
    report = {key: getattr(args, key) for key in ("size", "rows", "length", "sampler", "count")}
    report |= {"p50_ms": quantile(0.5), "p95_ms": quantile(0.95)}
    report["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
