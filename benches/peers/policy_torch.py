"""A training step of the multimodal transformer in eager PyTorch, with every logit, as the reference computes it.

Usage: policy_torch.py train [--size tiny|small|200m] [--batch B] [--length L] [--steps N] [--warm-up N] [--threads N].
Prints one line of JSON, the same as the bench `pretrain`.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

# dim, layers, heads, inner width, vocabularies of text, frames and latent actions
SIZES = {
    "tiny": (256, 5, 4, 688, (512, 514, 9)),
    "small": (512, 8, 8, 1376, (1024, 1026, 9)),
    "200m": (1024, 12, 16, 2752, (32000, 8448, 9)),
}
THETA = 5e7
TEXT, VISION, LATENT_STATE, LATENT_ACTION = range(4)
# Tokens of text at the end of a sample, which are predicted.
MARKERS = 8
WEIGHTS = {TEXT: 0.02, LATENT_STATE: 0.48, LATENT_ACTION: 0.48}


def rotate(x, cos, sin):
    """Interleaved pairs; x is [batch, heads, length, head_dim]."""
    first, second = x[..., 0::2], x[..., 1::2]
    return torch.stack((first * cos - second * sin, second * cos + first * sin), -1).flatten(-2)


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

    def forward(self, x, cos, sin):
        batch, length, dim = x.shape
        projected = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(
            rotate(query, cos, sin), rotate(key, cos, sin), value, is_causal=True
        )
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, dim))
        hidden = self.feed_forward_norm(x)
        return x + self.down(F.silu(self.gate(hidden)) * self.up(hidden))


class Transformer(nn.Module):
    def __init__(self, dim, layers, heads, inner, vocabularies):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(ids, dim) for ids in vocabularies)
        self.layers = nn.ModuleList(Layer(dim, heads, inner) for _ in range(layers))
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.heads = nn.ModuleList(nn.Linear(dim, ids, bias=False) for ids in vocabularies)
        self.head_dim = dim // heads

    def forward(self, ids, kinds):
        # As the reference: every id is looked up in the tables of text and frames, and masks choose.
        text, vision, action = self.embeddings
        is_vision = ((kinds == VISION) | (kinds == LATENT_STATE)).unsqueeze(-1).float()
        is_action = (kinds == LATENT_ACTION).unsqueeze(-1).float()
        x = text(ids.clamp(max=text.num_embeddings - 1)) * (1 - is_vision - is_action)
        x = x + vision(ids.clamp(max=vision.num_embeddings - 1)) * is_vision
        x = x + action(ids.clamp(max=action.num_embeddings - 1)) * is_action
        frequencies = THETA ** (-torch.arange(0, self.head_dim, 2).float() / self.head_dim)
        angles = torch.arange(ids.shape[1]).float()[:, None] * frequencies
        cos, sin = angles.cos(), angles.sin()
        for layer in self.layers:
            x = layer(x, cos, sin)
        hidden = self.norm(x)
        return [head(hidden) for head in self.heads]


def sample(length, row, vocabularies):
    """Tokens that depend on the row and the position alone, as in our bench."""
    ids, kinds = [], []
    sizes = {TEXT: vocabularies[0], VISION: vocabularies[1], LATENT_STATE: vocabularies[1], LATENT_ACTION: vocabularies[2]}
    for position in range(length):
        tenth = position * 10 // length
        kind = TEXT if tenth == 0 else VISION if tenth <= 4 else LATENT_STATE if tenth <= 6 else LATENT_ACTION
        kind = TEXT if position + MARKERS >= length else kind
        ids.append((position * 7919 + row * 104729) % sizes[kind])
        kinds.append(kind)
    return ids, kinds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["train"])
    parser.add_argument("--size", default="tiny", choices=SIZES)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dim, layers, heads, inner, vocabularies = SIZES[args.size]
    model = Transformer(dim, layers, heads, inner, vocabularies)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-5, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0)
    rows = [sample(args.length + 1, row, vocabularies) for row in range(args.batch)]
    ids, kinds = (torch.tensor([row[part] for row in rows]) for part in range(2))

    def step():
        logits = model(ids[:, :-1], kinds[:, :-1])
        targets, target_kinds = ids[:, 1:], kinds[:, 1:]
        is_predicted = (torch.arange(1, ids.shape[1]) * 10 // ids.shape[1]) > 4
        total = 0.0
        for kind, scores in ((TEXT, logits[0]), (LATENT_STATE, logits[1]), (LATENT_ACTION, logits[2])):
            valid = ((target_kinds == kind) & is_predicted).float()
            chosen = torch.where(valid > 0, targets, 0)
            log_shares = F.log_softmax(scores, -1).gather(-1, chosen[..., None]).squeeze(-1)
            loss = -((log_shares * valid).sum(1) / valid.sum(1).clamp(min=1e-10)).mean()
            total = total + WEIGHTS[kind] * loss
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert torch.isfinite(total)

    for _ in range(args.warm_up):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = []
    for _ in range(args.steps):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_SELF)
    median = statistics.median(seconds)
    print(
        json.dumps(
            {
                "size": args.size,
                "batch": args.batch,
                "length": args.length,
                "median_s": round(median, 4),
                "tokens_per_s": round(args.batch * args.length / median, 4),
                "user_s": round((after.ru_utime - before.ru_utime) / args.steps, 4),
                "system_s": round((after.ru_stime - before.ru_stime) / args.steps, 4),
                "peak_mib": round(after.ru_maxrss / 1024),
                "seconds": [round(value, 4) for value in seconds],
            }
        )
    )


if __name__ == "__main__":
    main()
