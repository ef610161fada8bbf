"""The same towers and the same step in PyTorch: eager and compiled, in f32, tf32, and autocast to bf16 and f16.

    python3 torch_towers.py CASES.json DEVICE SECONDS RUNS

CASES.json: a list of {name, model, overrides, entry, training, batch}, sizes as in the .zoo file. A line of JSON for each
measurement, as soon as it is there: what is cut keeps what it has. open_clip's model where it can be imported, else the towers below.
"""
import contextlib
import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

SIZES = {
    "ViT-B/32": dict(resolution=224, patch=32, width=768, layers=12, embed=512, context=77, vocab=49408, text_width=512, text_layers=12),
    "ViT-L/14": dict(resolution=224, patch=14, width=1024, layers=24, embed=768, context=77, vocab=49408, text_width=768, text_layers=12),
}
HEAD = 64
PARAMETERS = {
    "vision.resolution": "resolution", "vision.patch": "patch", "vision.width": "width", "vision.layers": "layers",
    "vision.embed": "embed", "text.context": "context", "text.vocab": "vocab", "text.width": "text_width",
    "text.layers": "text_layers", "text.embed": "embed",
}


class Block(nn.Module):
    def __init__(self, width, causal):
        super().__init__()
        self.causal, self.heads = causal, width // HEAD
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        rows, tokens, width = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(rows, tokens, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, tokens, width))
        h = self.fc(self.ln_2(x))
        return x + self.proj(h * torch.sigmoid(1.702 * h))


class Clip(nn.Module):
    def __init__(self, s):
        super().__init__()
        tokens = (s["resolution"] // s["patch"]) ** 2 + 1
        self.patches = nn.Conv2d(3, s["width"], s["patch"], s["patch"], bias=False)
        self.cls = nn.Parameter(torch.zeros(s["width"]))
        self.places = nn.Parameter(torch.randn(tokens, s["width"]) * s["width"] ** -0.5)
        self.ln_pre, self.ln_post = nn.LayerNorm(s["width"]), nn.LayerNorm(s["width"])
        self.vision = nn.Sequential(*(Block(s["width"], False) for _ in range(s["layers"])))
        self.image_projection = nn.Parameter(torch.randn(s["width"], s["embed"]) * s["width"] ** -0.5)
        self.words = nn.Embedding(s["vocab"], s["text_width"])
        self.text_places = nn.Parameter(torch.randn(s["context"], s["text_width"]) * 0.01)
        self.text = nn.Sequential(*(Block(s["text_width"], True) for _ in range(s["text_layers"])))
        self.ln_final = nn.LayerNorm(s["text_width"])
        self.text_projection = nn.Parameter(torch.randn(s["text_width"], s["embed"]) * s["text_width"] ** -0.5)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_image(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        cls = self.cls.to(x.dtype).expand(x.shape[0], 1, -1)
        x = self.vision(self.ln_pre(torch.cat([cls, x], 1) + self.places.to(x.dtype)))
        return self.ln_post(x[:, 0]) @ self.image_projection

    def encode_text(self, tokens):
        x = self.text(self.words(tokens) + self.text_places)
        return self.ln_final(x[torch.arange(x.shape[0], device=x.device), tokens.argmax(-1)]) @ self.text_projection


def own(sizes):
    return Clip(sizes)


def from_open_clip(s):
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(layers=s["layers"], width=s["width"], head_width=HEAD, patch_size=s["patch"], image_size=s["resolution"])
    text = CLIPTextCfg(context_length=s["context"], vocab_size=s["vocab"], width=s["text_width"], heads=s["text_width"] // HEAD, layers=s["text_layers"])
    return CLIP(embed_dim=s["embed"], vision_cfg=vision, text_cfg=text, quick_gelu=True)


class Work(nn.Module):
    """What is timed: an encoder, or the loss."""

    def __init__(self, model, entry):
        super().__init__()
        self.model, self.entry = model, entry

    def forward(self, images, tokens):
        if self.entry == "encode_image":
            return self.model.encode_image(images)
        if self.entry == "encode_text":
            return self.model.encode_text(tokens)
        image = F.normalize(self.model.encode_image(images).float(), dim=-1)
        text = F.normalize(self.model.encode_text(tokens).float(), dim=-1)
        logits = self.model.logit_scale.exp() * image @ text.T
        own_pair = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, own_pair) + F.cross_entropy(logits.T, own_pair)) / 2


def optimizer_of(model, device):
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [dict(params=decayed, weight_decay=0.2), dict(params=others, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=device == "cuda")


def measure(case, sizes, make, device, mode, compiled, runs):
    torch.manual_seed(0)
    # tf32 is f32 with products of rounded operands; the rest of f32 is not touched.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "tf32"
    half = {"bf16": torch.bfloat16, "f16": torch.float16}.get(mode)
    work = Work(make(sizes).to(device), case["entry"]).train(case["training"])
    run = torch.compile(work) if compiled else work
    batch = case["batch"]
    images = torch.randn(batch, 3, sizes["resolution"], sizes["resolution"], device=device)
    tokens = torch.randint(1, sizes["vocab"] - 1, (batch, sizes["context"]), device=device)
    optimizer = optimizer_of(work.model, device) if case["training"] else None
    scaler = torch.amp.GradScaler(device, enabled=case["training"] and mode == "f16")
    autocast = lambda: torch.autocast(device, half) if half else contextlib.nullcontext()

    def once():
        if optimizer is None:
            with torch.inference_mode(), autocast():
                return run(images, tokens)
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = run(images, tokens)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(1 if device == "cpu" else 3):
        once()
    wait()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        once()
        wait()
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
    return dict(seconds=sorted(times)[len(times) // 2], peakMemory=peak)


def main():
    path, device, seconds, runs = sys.argv[1:5]
    end = time.monotonic() + float(seconds)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        import open_clip

        make, source = from_open_clip, f"open_clip {open_clip.__version__}"
    except Exception as error:  # Not there, or there with a torchvision of another torch.
        make, source = own, f"own towers (open_clip: {error})"
    if device == "cpu":
        torch.set_num_threads(1)  # On a busy machine threads wait for one another; nobody compares with these times.
    card = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(json.dumps(dict(torch=torch.__version__, device=card, towers=source)), flush=True)
    modes = ["f32", "bf16"] if device == "cpu" else ["bf16", "f32", "f16", "tf32"]
    with open(path) as file:
        cases = json.load(file)
    # Eager first: it is quick, and compilation may take all that is left.
    for compiled in (False, True):
        for mode in modes:
            for case in cases:
                if time.monotonic() > end:
                    return
                sizes = dict(SIZES[case["model"]], **{PARAMETERS[name]: value for name, value in case["overrides"]})
                row = dict(name=case["name"], mode=mode, compiled=compiled, batch=case["batch"])
                try:
                    row.update(measure(case, sizes, make, device, mode, compiled, int(runs)))
                except Exception as error:  # A case that fails, or needs more memory than there is, must not end the others.
                    row["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
                if device == "cuda":
                    torch.cuda.empty_cache()
                torch.compiler.reset()
                print(json.dumps(row), flush=True)


main()
