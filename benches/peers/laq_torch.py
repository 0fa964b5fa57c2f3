"""The latent action model of `crates/vipra-laq` as plain eager PyTorch, with the reference's parameter names.

Usage:
    laq_torch.py train --size tiny|small|paper [--batch B] [--frames T] [--steps N] [--threads 2]
    laq_torch.py label --size tiny|small|paper [--batch WINDOWS] [--frames EPISODE] [--steps N] [--threads 2]
    laq_torch.py --check GOLDENS_DIR

`train` and `label` print one line of JSON; `crates/vipra-laq/benches/laq.rs` prints the same for ours. `--check`
compares outputs, loss and gradients with the goldens. Sizes are those of `crates/vipra-laq/benches/sizes`. Shapes: B
clips, T frames, N tokens of a frame, D channels.
"""

import argparse
import json
import resource
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

LOGIT_SCALE = 8.0
SLOPE = 0.1
PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_SPREAD = (0.229, 0.224, 0.225)
# A window of labelling: one frame before the labelled one, the frame itself, and 14 after it.
WINDOW = 16
KEPT = 14


@dataclass(frozen=True)
class Config:
    frame: int
    patch: int
    dim: int
    spatial_depth: int
    spatial_heads: int
    position_grid: int
    encoder_depth: int
    decoder_depth: int
    heads: int
    head_dim: int
    code_length: int
    registers: int = 4
    dropout: float = 0.1
    codes: int = 8
    code_dim: int = 32

    @property
    def grid(self):
        return self.frame // self.patch


SIZES = {
    "tiny": Config(64, 8, 128, 2, 4, 8, 2, 2, 4, 32, 4),
    "small": Config(128, 8, 256, 4, 4, 16, 4, 4, 4, 64, 16),
    "paper": Config(224, 14, 768, 12, 12, 37, 6, 8, 16, 64, 16),
}


class GammaNorm(nn.Module):
    """Layer norm with a learned factor and a constant zero offset."""

    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.register_buffer("beta", torch.zeros(dim))

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta)


class GatedGelu(nn.Module):
    def forward(self, x):
        value, gate = x.chunk(2, dim=-1)
        return F.gelu(gate) * value


def feed_forward(dim, dropout):
    inner = int(4 * (2 / 3) * dim)
    return nn.Sequential(
        GammaNorm(dim),
        nn.Linear(dim, 2 * inner, bias=False),
        GatedGelu(),
        nn.Dropout(dropout),
        nn.Linear(inner, dim, bias=False),
    )


def rotate(x):
    """Rotary positions over x (…, T, head_dim): channel i turns with channel i + head_dim / 2."""
    half = x.shape[-1] // 2
    speeds = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[-2], device=x.device)[:, None] * speeds
    cos, sin = angles.cos(), angles.sin()
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Attention(nn.Module):
    """Cosine attention; the norm is for the queries only, keys and values come from the input as it is."""

    def __init__(self, dim, heads, head_dim, temporal, causal):
        super().__init__()
        self.heads, self.temporal, self.causal = heads, temporal, causal
        inner = heads * head_dim
        self.norm = GammaNorm(dim)
        self.q_scale = nn.Parameter(torch.ones(head_dim))
        self.k_scale = nn.Parameter(torch.ones(head_dim))
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)

    def forward(self, x, bias=None):
        batch, tokens, _ = x.shape
        q = self.to_q(self.norm(x))
        k, v = self.to_kv(x).chunk(2, dim=-1)
        q, k, v = (y.view(batch, tokens, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        if self.temporal:
            q, k = rotate(q), rotate(k)
        q = F.normalize(q, dim=-1) * self.q_scale
        k = F.normalize(k, dim=-1) * self.k_scale
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=self.causal, scale=LOGIT_SCALE)
        return self.to_out(out.transpose(1, 2).reshape(batch, tokens, -1))


class PositionBias(nn.Module):
    """Logits from the distance of two patches, by a small network."""

    def __init__(self, dim, heads):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, dim), nn.LeakyReLU(SLOPE), nn.Linear(dim, dim), nn.LeakyReLU(SLOPE), nn.Linear(dim, heads)
        )

    def forward(self, grid):
        center = (torch.arange(grid, device=self.net[0].weight.device) + 0.5) / grid
        places = torch.stack(torch.meshgrid(center, center, indexing="ij"), dim=-1).view(-1, 2)
        distance = places[:, None] - places[None]
        return self.net(distance.sign() * distance.abs().log1p()).permute(2, 0, 1)


class PositionGenerator(nn.Module):
    def __init__(self, dim, causal):
        super().__init__()
        self.before = (2, 0) if causal else (1, 1)
        self.dsconv = nn.Conv3d(dim, dim, 3, groups=dim)

    def forward(self, x, grid):
        """x (B, T, grid², D)"""
        batch, time_, _, dim = x.shape
        y = x.view(batch, time_, grid, grid, dim).permute(0, 4, 1, 2, 3)
        y = self.dsconv(F.pad(y, (1, 1, 1, 1, *self.before)))
        return y.permute(0, 2, 3, 4, 1).reshape(x.shape)


class Conditioning(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_alpha_beta = nn.Linear(dim, 2 * dim)
        nn.init.zeros_(self.to_alpha_beta.weight)
        nn.init.zeros_(self.to_alpha_beta.bias)
        self.ffn = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x, condition):
        """x (B, T, N, D), condition (B, T, D)"""
        alpha, beta = self.to_alpha_beta(condition).unsqueeze(2).chunk(2, dim=-1)
        return x + self.ffn((1 + alpha) * F.layer_norm(x, x.shape[-1:]) + beta)


class StTransformer(nn.Module):
    """Layers with the reference's numbers: 0 conditioning, 1 positions, 2 space, 3 time, 4 feed-forward."""

    def __init__(self, config, depth, causal, conditioned):
        super().__init__()
        dim = config.dim
        sizes = (dim, config.heads, config.head_dim)
        self.layers = nn.ModuleList()
        for _ in range(depth):
            layer = nn.ModuleDict()
            if conditioned:
                layer["0"] = Conditioning(dim)
            layer["1"] = PositionGenerator(dim, causal)
            layer["2"] = Attention(*sizes, temporal=False, causal=False)
            layer["3"] = Attention(*sizes, temporal=True, causal=causal)
            layer["4"] = feed_forward(dim, config.dropout)
            self.layers.append(layer)
        self.norm_out = GammaNorm(dim)

    def forward(self, x, grid, bias, condition=None):
        """x (B, T, N, D), where the first grid² tokens of a frame are its patches"""
        batch, time_, tokens, dim = x.shape
        for layer in self.layers:
            if condition is not None:
                x = layer["0"](x, condition)
            patches = x[:, :, : grid * grid]
            x = torch.cat([patches + layer["1"](patches, grid), x[:, :, grid * grid :]], dim=2)
            along_time = x.transpose(1, 2).reshape(batch * tokens, time_, dim)
            along_time = along_time + layer["3"](along_time)
            x = along_time.view(batch, tokens, time_, dim).transpose(1, 2).reshape(batch * time_, tokens, dim)
            x = x + layer["2"](x, bias)
            x = (x + layer["4"](x)).view(batch, time_, tokens, dim)
        return self.norm_out(x)


class DinoAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, dim))


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class DinoBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = DinoAttention(dim, heads)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})
        self.ls2 = LayerScale(dim)

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))))


class Dino(nn.Module):
    """DINOv2 with registers; only the features of the patches are used."""

    def __init__(self, config):
        super().__init__()
        dim = config.dim
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + config.position_grid**2, dim) * 0.02)
        self.register_tokens = nn.Parameter(torch.randn(1, config.registers, dim) * 0.02)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, config.patch, stride=config.patch)})
        self.blocks = nn.ModuleList(DinoBlock(dim, config.spatial_heads) for _ in range(config.spatial_depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def positions(self, grid):
        side = int((self.pos_embed.shape[1] - 1) ** 0.5)
        if side == grid:
            return self.pos_embed
        patches = self.pos_embed[:, 1:].view(1, side, side, -1).permute(0, 3, 1, 2)
        patches = F.interpolate(patches, size=(grid, grid), mode="bicubic", antialias=True)
        return torch.cat([self.pos_embed[:, :1], patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

    def forward(self, frames):
        """frames (F, 3, H, W) in [0, 1] → (F, N, D)"""
        count = frames.shape[0]
        mean, spread = (frames.new_tensor(values).view(1, 3, 1, 1) for values in (PIXEL_MEAN, PIXEL_SPREAD))
        patches = self.patch_embed["proj"]((frames - mean) / spread)
        grid = patches.shape[-1]
        x = torch.cat([self.cls_token.expand(count, -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        x = x + self.positions(grid)
        x = torch.cat([x[:, :1], self.register_tokens.expand(count, -1, -1), x[:, 1:]], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, -grid * grid :]


class Quantizer(nn.Module):
    """Noise-substitution vector quantisation."""

    def __init__(self, codes, dim):
        super().__init__()
        self.codebooks = nn.Parameter(torch.randn(codes, dim))
        self.register_buffer("codebooks_used", torch.zeros(codes, dtype=torch.int64))

    def nearest(self, x):
        """x (n, dim) → (n)"""
        distance = x.square().sum(1, keepdim=True) - 2 * x @ self.codebooks.T + self.codebooks.square().sum(1)
        return distance.argmin(dim=1)

    def forward(self, x, noise):
        indices = self.nearest(x.detach())
        error = (x - self.codebooks[indices]).norm(dim=1, keepdim=True)
        self.codebooks_used += indices.bincount(minlength=len(self.codebooks_used))
        return x + error * noise / (noise.norm(dim=1, keepdim=True) + 1e-8), indices


def down_sampler(config):
    strides = []
    side, target = config.grid, int(config.code_length**0.5)
    while side > target:
        strides.append(2)
        side = (side + 1) // 2
    layers = []
    for stride in strides:
        layers += [nn.Conv3d(config.code_dim, config.code_dim, 3, (1, stride, stride), 1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1])


class Laq(nn.Module):
    """The latent action model."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        dim = config.dim
        self.enc_spatial_transformer = nn.ModuleDict({"model": Dino(config)})
        self.enc_spatial_rel_pos_bias = PositionBias(dim, config.heads)
        self.enc_st_transformer = StTransformer(config, config.encoder_depth, causal=False, conditioned=False)
        self.vq_project_in = nn.Linear(dim, config.code_dim)
        self.vq_encoder = down_sampler(config)
        self.vq = Quantizer(config.codes, config.code_dim)
        self.vq_to_cond = nn.Sequential(
            nn.Flatten(2), nn.Linear(config.code_length * config.code_dim, dim), feed_forward(dim, config.dropout)
        )
        self.dec_patchify = nn.ModuleDict(
            {"proj": nn.Conv2d(3, dim, config.patch, stride=config.patch), "norm": nn.LayerNorm(dim)}
        )
        self.dec_spatial_rel_pos_bias = PositionBias(dim, config.heads)
        self.dec_transformer = StTransformer(config, config.decoder_depth, causal=True, conditioned=True)
        self.to_pixels = nn.Sequential(nn.Linear(dim, 3 * config.patch**2))

    def encode(self, clips):
        """clips (B, T, 3, H, W) in [0, 1] → (B·(T−1)·code_length, code_dim)"""
        batch, time_ = clips.shape[:2]
        grid = self.config.grid
        features = self.enc_spatial_transformer["model"](clips.flatten(0, 1))
        features = features.view(batch, time_, grid * grid, -1)
        tokens = self.enc_st_transformer(features, grid, self.enc_spatial_rel_pos_bias(grid))
        x = self.vq_project_in(tokens[:, 1:]).view(batch, time_ - 1, grid, grid, -1)
        x = self.vq_encoder(x.permute(0, 4, 1, 2, 3))
        return x.permute(0, 2, 3, 4, 1).reshape(-1, self.config.code_dim)

    def decode(self, frames, latents):
        """frames (B, T, 3, H, W), latents (B, T, code_length, code_dim) → the frames one later"""
        batch, time_, _, height, width = frames.shape
        grid, patch = self.config.grid, self.config.patch
        condition = self.vq_to_cond(latents)
        x = self.dec_patchify["proj"](frames.flatten(0, 1)).flatten(2).transpose(1, 2)
        x = self.dec_patchify["norm"](x).view(batch, time_, grid * grid, -1)
        x = torch.cat([x, condition.unsqueeze(2)], dim=2)
        bias = F.pad(self.dec_spatial_rel_pos_bias(grid), (0, 1, 0, 1))
        x = self.to_pixels(self.dec_transformer(x, grid, bias, condition)[:, :, :-1])
        x = x.view(batch, time_, grid, grid, 3, patch, patch).permute(0, 1, 4, 2, 5, 3, 6)
        return x.reshape(batch, time_, 3, height, width)

    def forward(self, clips, noise=None):
        """clips (B, T, 3, H, W) → reconstruction of frames 1… and codes (B, T−1, code_length)"""
        batch, time_ = clips.shape[:2]
        vectors = self.encode(clips)
        noise = torch.randn_like(vectors) if noise is None else noise
        latents, indices = self.vq(vectors, noise)
        shape = (batch, time_ - 1, self.config.code_length)
        return self.decode(clips[:, :-1], latents.view(*shape, -1)), indices.view(shape)

    def infer(self, clips):
        """clips (B, T, 3, H, W) → codes (B, T−1, code_length)"""
        shape = (clips.shape[0], clips.shape[1] - 1, self.config.code_length)
        return self.vq.nearest(self.encode(clips)).view(shape)


def masked_l1(reconstruction, target, mask):
    """mask (B, T−1), true where a transition counts"""
    mask = mask[..., None, None, None]
    pixels = mask.sum() * reconstruction[0, 0].numel()
    return (mask * (reconstruction - target).abs()).sum() / pixels


def optimizer(model):
    spatial = set(model.enc_spatial_transformer.parameters())
    groups = [
        {"params": [p for p in model.parameters() if p not in spatial], "lr": 1e-4},
        {"params": list(spatial), "lr": 1e-5},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)


def train_step(model, adamw, clips):
    mask = torch.ones(clips.shape[0], clips.shape[1] - 1, dtype=torch.bool)
    adamw.zero_grad()
    reconstruction, _ = model(clips)
    loss = masked_l1(reconstruction, clips[:, 1:], mask)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 6.0)
    adamw.step()
    return loss.item()


@torch.inference_mode()
def label_episode(model, episode, batch):
    """Every frame's window whole through the encoder. episode (frames, 3, H, W) → codes (frames, 14, code_length)"""
    count = len(episode)
    codes = []
    for first in range(0, count, batch):
        frames = torch.arange(first, min(first + batch, count))
        windows = (frames[:, None] + torch.arange(-1, WINDOW - 1)).clamp(0, count - 1)
        codes.append(model.infer(episode[windows])[:, -KEPT:])
    return torch.cat(codes)


def measure(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    config = SIZES[args.size]
    model = Laq(config)
    size = (3, config.frame, config.frame)
    if args.mode == "train":
        adamw = optimizer(model.train())
        clips = torch.rand(args.batch, args.frames, *size)
        work = lambda: train_step(model, adamw, clips)  # noqa: E731
        frames = args.batch * args.frames
    else:
        model.eval()
        episode = torch.rand(args.frames, *size)
        work = lambda: label_episode(model, episode, args.batch)  # noqa: E731
        frames = args.frames
    for _ in range(args.warm_up):
        work()
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = []
    for _ in range(args.steps):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    median = statistics.median(seconds)
    report = {
        "mode": args.mode,
        "size": args.size,
        "batch": args.batch,
        "frames": args.frames,
        "median_s": round(median, 5),
        "frames_per_s": round(frames / median, 4),
        "user_s": round((usage.ru_utime - before.ru_utime) / args.steps, 4),
        "system_s": round((usage.ru_stime - before.ru_stime) / args.steps, 4),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "seconds": [round(second, 5) for second in seconds],
    }
    print(json.dumps(report))


def check(goldens):
    """Compares with the goldens, within their manifest's tolerances."""
    from safetensors.torch import load_file

    manifest = json.loads((goldens / "manifest.json").read_text())["files"]
    for name in ("laq_full_csl4", "laq_full_csl16"):
        sizes = manifest[f"{name}.safetensors"]["config"]
        dino = sizes["dino"]
        config = Config(
            sizes["image_size"],
            sizes["patch_size"],
            sizes["dim"],
            dino["depth"],
            dino["num_heads"],
            dino["pos_grid"],
            sizes["enc_depth"],
            sizes["dec_depth"],
            sizes["heads"],
            sizes["dim_head"],
            sizes["code_seq_len"],
            registers=dino["num_register_tokens"],
            codes=sizes["codebook_size"],
            code_dim=sizes["quant_dim"],
        )
        model = Laq(config).eval()
        keys = model.load_state_dict(load_file(goldens / f"{name}_weights.safetensors"), strict=False)
        assert not keys.missing_keys, keys.missing_keys
        unused = ("context_norm", "fusion_layer", "mask_token")
        assert all(any(word in key for word in unused) for key in keys.unexpected_keys), keys.unexpected_keys
        golden = load_file(goldens / f"{name}.safetensors")
        clips = golden["in.videos"]
        vectors = model.encode(clips)
        torch.testing.assert_close(vectors, golden["out.vq_in"], atol=1e-4, rtol=0)
        expected = golden["out.infer.indices"].flatten(2)
        assert torch.equal(model.infer(clips), expected)
        reconstruction, indices = model(clips, golden["in.nsvq_noise"])
        assert torch.equal(indices, expected)
        torch.testing.assert_close(reconstruction, golden["out.train.recon"], atol=1e-4, rtol=0)
        mask = golden["in.mask"].bool()
        loss = masked_l1(reconstruction, clips[:, 1:], mask[:, 1:] & mask[:, :-1])
        torch.testing.assert_close(loss.view(1), golden["out.train.l1_masked"], atol=0, rtol=1e-4)
        loss.backward()
        parameters = dict(model.named_parameters())
        gradients = {key.removeprefix("grad."): value for key, value in golden.items() if key.startswith("grad.")}
        for key, value in gradients.items():
            allowed = 1e-3 * value.abs().max().item()
            torch.testing.assert_close(parameters[key].grad, value, atol=allowed, rtol=2e-3)
        norm = torch.stack([p.grad.norm() for p in parameters.values()]).norm()
        torch.testing.assert_close(norm.view(1), golden["out.train.grad_norm_all"], atol=0, rtol=2e-3)
        # The window of frame 2 of 5, of whose 15 transitions the first is dropped; the last frame repeats.
        episode = torch.cat([clips[0], clips[1, :1]])
        window = episode[[1, 2, 3, 4, *[4] * 12]]
        labelled = label_episode(model, episode, 2)
        assert labelled.shape == (5, KEPT, config.code_length)
        assert torch.equal(labelled[2], model.infer(window[None])[0, 1:])
        difference = (reconstruction - golden["out.train.recon"]).abs().max().item()
        print(f"{name}: {len(gradients)} gradients agree; largest difference of a pixel {difference:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", choices=("train", "label"))
    parser.add_argument("--check", type=Path, metavar="GOLDENS_DIR")
    parser.add_argument("--size", choices=tuple(SIZES), default="tiny")
    parser.add_argument("--batch", type=int, default=8, help="clips of a step, or windows at a time")
    parser.add_argument("--frames", type=int, default=8, help="of a clip, or of the episode to label")
    parser.add_argument("--steps", type=int, default=5, help="steps, or passes over the episode")
    parser.add_argument("--warm-up", type=int, default=1, help="the same before the clock starts")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.check:
        check(args.check)
    elif args.mode:
        measure(args)
    else:
        parser.error("a mode or --check is needed")


if __name__ == "__main__":
    main()
