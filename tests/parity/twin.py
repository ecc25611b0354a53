#!/usr/bin/env python3
"""The same model in PyTorch, written from the formulas and not from the C code: what test_parity compares with.

    pip install torch==2.13.0 numpy==2.4.6        (Python 3.11)
    build/tests/parity/test_parity --inputs DIR
    python tests/parity/twin.py DIR tests/parity

Reads the spec NAME.json beside this file and DIR/NAME.safetensors (rows, measurements, starts of the parameters) and
writes NAME.safetensors: per parameter its start, the derivative of the first loss and its value after ten AdamW
steps; and the loss terms of every step. Tests do not need this script, only what it wrote.
"""
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Independent, NegativeBinomial, Normal, StudentT, kl_divergence

torch.set_default_dtype(torch.float64)
STEPS = 10
# Buffers, by the ends of their names.


# --- files ---

def read(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    out = {}
    for name, h in header.items():
        begin, end = h["data_offsets"]
        flat = np.frombuffer(data[8 + length + begin:8 + length + end], dtype="<f8")
        out[name] = torch.tensor(flat.reshape(h["shape"]).copy())
    return out


def write(path, tensors):
    header, parts, at = {}, [], 0
    for name, t in tensors.items():
        raw = t.detach().numpy().astype("<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


# --- noise by address: Philox4x32-10 (Salmon et al. 2011) and Box-Muller ---

M32, M64 = (1 << 32) - 1, (1 << 64) - 1


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & M32, a >> 32 ^ c[3] ^ k[1], a & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return c


def mix(a, b):
    h = (a + 0x9E3779B97F4A7C15 * (b + 1)) & M64
    h = ((h ^ h >> 30) * 0xBF58476D1CE4E5B9) & M64
    h = ((h ^ h >> 27) * 0x94D049BB133111EB) & M64
    return h ^ h >> 31


def fnv(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & M64
    return h


def noise_key(seed, purpose, step):
    return mix(mix(mix(0, seed), purpose), step)


def normals(seed, step, row, sample, n, purpose="latent"):
    """The n numbers of the latent of a data row."""
    key = noise_key(seed, mix(fnv(purpose), 0), step)
    key = philox([0, 0, 0, 0x5354454C], [key & M32, key >> 32])[:2]
    address, out = row ^ sample << 40, []
    for block in range((n + 3) // 4):
        w = philox([block, address & M32, address >> 32, 0], key)
        for a, b in (w[:2], w[2:]):
            r, turn = math.sqrt(-2.0 * math.log((a + 0.5) / 2.0**32)), 2.0 * math.pi * b / 2.0**32
            out += [r * math.cos(turn), r * math.sin(turn)]
    return out[:n]


# --- plugins ---

# Buffers that fit() sets: not to be learned.
FIXED = (".log_median_size", ".class_weight", ".kind", ".centre", ".log_scale", ".bin_centre", ".bin_log_scale",
         ".temperature", ".target_mean", ".target_sd", ".sd_factor", ".noise", ".interval_end", ".time_unit", ".least_time",
         ".least_log_variance", ".slope", ".offset")
ACTIVATIONS = {"relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.01), "gelu": F.gelu, "silu": F.silu,
               "tanh": torch.tanh}


class Modality:
    def __init__(self, name, spec, inputs, p):
        self.name, self.spec, self.p, self.plugin = name, spec, p, spec["plugin"]
        self.x = inputs["x." + name]
        self.present = ~self.x.isnan().all(dim=1)
        self.covariates = {which: covariates(spec[which].get("covariates", []), inputs)
                           for which in ("encoder", "decoder")}
        self.weight = spec.get("weight", 1.0)
        self.private = spec.get("private", {}).get("dim", 0)
        self.observed = spec.get("size_factor" if self.plugin == "nb_counts" else "depth", "observed")

    def get(self, name):
        return self.p[self.name + "." + name]

    def stack(self, which, x, rows):
        spec = self.spec[which]
        for i in range(len(spec["hidden"])):
            layer = f"{which}.layer{i}"
            x = x @ self.get(layer + ".weight") + self.get(layer + ".bias")
            if i == 0 and self.covariates[which] is not None:
                x = x + self.covariates[which][rows] @ self.get(which + ".covariates")
            if spec.get("norm") == "layer":
                x = F.layer_norm(x, x.shape[1:], self.get(layer + ".gain"), self.get(layer + ".shift"), 1e-5)
            x = ACTIVATIONS[spec.get("activation", "relu")](x)
        return x

    def log_size(self, rows):
        x = self.x[rows]
        size = x.sum(1) if self.plugin == "nb_counts" else (x > 0).double().sum(1)
        return size.clamp(min=1.0).log() - self.get("log_median_size")

    def encode(self, rows):
        h = self.stack("encoder", self.seen(rows), rows)
        mean = h @ self.get("mean.weight") + self.get("mean.bias")
        logvar = h @ self.get("logvar.weight") + self.get("logvar.bias")
        return mean, logvar.clamp(-12, 12)

    def seen(self, rows):
        x = self.x[rows]
        kind = self.spec["encoder"].get("input", "log1p" if self.plugin == "nb_counts" else "binary")
        if kind == "binary":
            return (x > 0).double()
        if kind == "normalised":
            size = x.sum(1).clamp(min=1.0) / self.get("log_median_size").exp()
            return (1 + x / size[:, None]).log()
        return (1 + x).log()

    def log_px(self, z, rows):
        x, h = self.x[rows], self.stack("decoder", z, rows)
        eta = h @ self.get("output.weight").T + self.get("output.bias")
        if self.spec.get("rates") == "softmax":
            eta = F.log_softmax(eta, dim=1) + self.get("log_median_size")
        if self.observed == "observed":
            eta = eta + self.log_size(rows)[:, None]
        elif self.observed == "learned":
            part = "size" if self.plugin == "nb_counts" else "depth"
            eta = eta + h @ self.get(part + ".weight") + self.get(part + ".bias")
        if self.plugin == "bernoulli_peaks":
            return -F.binary_cross_entropy_with_logits(eta, (x > 0).double(), reduction="none").sum(1)
        log_theta = self.get("dispersion.log_theta")
        log_p = NegativeBinomial(log_theta.exp(), logits=eta - log_theta).log_prob(x)
        if self.spec.get("zero_inflation"):
            extra = h @ self.get("extra_zero.weight").T + self.get("extra_zero.bias")
            zero = torch.where(x == 0, F.logsigmoid(extra), torch.full_like(x, -math.inf))
            log_p = torch.where(x == 0, torch.logaddexp(zero, F.logsigmoid(-extra) + log_p),
                                F.logsigmoid(-extra) + log_p)
        return log_p.sum(1)


class Table(Modality):
    """Columns of every kind; which is which is that of the toy's table, not found out here."""

    NORMAL = (0, 1, 2, 3)  # a real number, a logarithm, logits of two proportions; the latter can be 0 and 1
    COUNT, BINARY, ORDERED, ENDED, CLASS, SAME = 4, 5, 6, 3, 7, 8

    def normals(self, x):
        """(n, 4), NaN where missing or at an end of a proportion."""
        inside = x[:, 2:4].masked_fill((x[:, 2:4] == 0) | (x[:, 2:4] == 1), math.nan)
        return torch.cat([x[:, :1], x[:, 1:2].log(), torch.logit(inside)], 1)

    def levels(self, x):
        """Numbers of levels of the ordered column, of the proportion's ends and of the class; NaN: missing."""
        ended = x[:, self.ENDED]
        ends = torch.where(ended == 0, 1.0, torch.where(ended == 1, 2.0, ended * 0.0))
        return x[:, self.ORDERED] - 1, ends, x[:, self.CLASS] / 10 - 1

    def encode(self, rows):
        x = self.x[rows]
        ordered, ends, kind = self.levels(x)
        plain = torch.cat([self.normals(x), x[:, self.COUNT:self.COUNT + 1].log1p(), x[:, self.BINARY:self.BINARY + 1],
                           ordered[:, None]], 1)
        plain = (plain - self.get("centre")[:7]) / self.get("log_scale")[:7].exp()
        hot = [(v[:, None] == torch.arange(n)).double() for v, n in ((ends, 3), (kind, 4))]
        missing = x.isnan().double()
        missing[:, self.SAME] = 0
        h = self.stack("encoder", torch.cat([plain.nan_to_num(0.0), *hot, missing], 1), rows)
        return h @ self.get("mean.weight") + self.get("mean.bias"), \
            (h @ self.get("logvar.weight") + self.get("logvar.bias")).clamp(-12, 12)

    def log_px(self, z, rows):
        x = self.x[rows]
        eta = self.stack("decoder", z, rows) @ self.get("output.weight") + self.get("output.bias")
        total = torch.zeros(len(x))

        def add(there, log_p):
            nonlocal total
            total = total + torch.where(there, log_p, 0.0)

        y = self.normals(x)
        least = self.get("least_log_variance")
        variance = self.spec.get("least_variance", 1e-4) + torch.maximum(self.get("output.log_variance"), least).exp()
        for k in self.NORMAL:
            there = ~y[:, k].isnan()
            v = y[:, k].nan_to_num(0.0)
            s = self.get("log_scale")[k].exp()
            log_p = Normal(self.get("centre")[k] + s * eta[:, k], s * variance[k].sqrt()).log_prob(v)
            log_p = log_p - v if k == 1 else log_p
            log_p = log_p - F.logsigmoid(v) - F.logsigmoid(-v) if k > 1 else log_p
            add(there, log_p)
        count = x[:, self.COUNT]
        log_theta = self.get("output.log_dispersion")[0]
        add(~count.isnan(), NegativeBinomial(log_theta.exp(), logits=eta[:, 4] - log_theta)
            .log_prob(count.nan_to_num(0.0)))
        flag = x[:, self.BINARY]
        add(~flag.isnan(), -F.binary_cross_entropy_with_logits(eta[:, 5], flag.nan_to_num(0.0), reduction="none"))
        ordered, ends, kind = self.levels(x)
        a = self.get("output.thresholds")
        below = torch.sigmoid(torch.stack([a[0], a[0] + a[1].exp()]) - eta[:, 6:7])
        p = torch.cat([below, torch.ones(len(x), 1)], 1) - torch.cat([torch.zeros(len(x), 1), below], 1)
        for v, log_p in ((ordered, p.log()), (ends, F.log_softmax(eta[:, 7:10], 1)), (kind, F.log_softmax(eta[:, 10:14], 1))):
            add(~v.isnan(), log_p.gather(1, v.nan_to_num(0.0).long()[:, None])[:, 0])
        return total


class Window(Modality):
    """A flat row of one channel, by its samples or its spectrum (view of the encoder)."""

    VIEW = "samples"

    def __init__(self, name, spec, inputs, p):
        super().__init__(name, spec, inputs, p)
        self.present &= self.x.std(1) > 0  # flat windows are absent
        x = self.x[self.present]
        assert torch.allclose(self.get("centre"), x.mean().expand(x.shape[1]), rtol=1e-6)  # stored as floats
        assert torch.allclose(self.get("log_scale"), x.std(unbiased=False).log().expand(x.shape[1]), rtol=1e-6)
        self.y = (self.x - self.get("centre")) / self.get("log_scale").exp()

    def log_powers(self, y, bins):
        n = y.shape[1]
        taper = torch.sin(math.pi * (torch.arange(n) + 0.5) / n) ** 2
        y = (y - y.mean(1, keepdim=True)) * taper / taper.square().sum().sqrt()
        power = torch.fft.rfft(y)[:, 1:bins + 1].abs() ** 2
        return (power + 1e-6 * power.mean(1, keepdim=True)).log()

    def encode(self, rows):
        y, spec, parts = self.y[rows], self.spec["encoder"], []
        activate, view = ACTIVATIONS[spec.get("activation", "relu")], spec.get("view", self.VIEW)
        if view != "spectrum":
            x = torch.stack([y, torch.zeros_like(y)], 1)
            for i in range(len(spec["channels"])):
                weight, bias = self.get(f"encoder.conv{i}.weight"), self.get(f"encoder.conv{i}.bias")
                x = activate(F.conv1d(x, weight, bias, stride=2, padding=(weight.shape[2] - 1) // 2))
            parts.append(x.flatten(1))
        if view != "samples":
            bins = spec.get("bins", y.shape[1] // 2)
            log_power = self.log_powers(y, bins)
            known = self.log_powers(self.y[self.present], bins)
            assert torch.allclose(self.get("bin_centre"), known.mean(0), rtol=1e-5, atol=1e-6)
            parts.append((log_power - self.get("bin_centre")) / self.get("bin_log_scale").exp())
        parts += [(d.square().mean(1, keepdim=True) + 1e-3).log() for d in (y, y[:, 1:] - y[:, :-1])]
        h = self.stack("encoder", torch.cat(parts, 1), rows)
        mean = h @ self.get("mean.weight") + self.get("mean.bias")
        return mean, (h @ self.get("logvar.weight") + self.get("logvar.bias")).clamp(-12, 12)


class Signal(Window):
    def log_px(self, z, rows):
        spec, y = self.spec["decoder"], self.y[rows]
        activate, h = ACTIVATIONS[spec.get("activation", "relu")], self.stack("decoder", z, rows)
        kernel, layers, extents = spec["kernel"], len(spec["channels"]), [y.shape[1]]
        pad = (kernel - 1) // 2
        for _ in range(layers):
            extents.append((extents[-1] + 2 * pad - kernel) // 2 + 1)
        x = activate(h @ self.get("decoder.start.weight") + self.get("decoder.start.bias"))
        x = x.reshape(len(z), spec["channels"][0], extents[-1])
        for i in range(layers):
            last, to = i + 1 == layers, extents[layers - 1 - i]
            rest = to - (2 * (extents[layers - i] - 1) - 2 * pad + kernel)
            x = F.conv_transpose1d(x, self.get(f"decoder.conv{i}.weight"),
                                   None if last else self.get(f"decoder.conv{i}.bias"), stride=2, padding=pad,
                                   output_padding=rest)
            x = x if last else activate(x)
        eta = x.flatten(1) + self.get("output.bias")
        noise = h @ self.get("window_log_variance.weight") + self.get("window_log_variance.bias")
        v = 1e-3 + noise.exp()
        t = StudentT(2 + self.get("output.log_dof").exp(), eta, v.sqrt().expand_as(eta))
        return (t.log_prob(y) - self.get("log_scale")).sum(1)


class Spectrum(Window):
    VIEW = "spectrum"

    def log_px(self, z, rows):
        y, h = self.y[rows], self.stack("decoder", z, rows)
        n, low, nu = y.shape[1], self.spec["bins"] + 1, self.spec["dof"]
        power = torch.fft.rfft(y).abs() ** 2 / n
        weight = torch.ones(power.shape[1])
        weight[0] = 0.5
        if n % 2 == 0:
            weight[-1] = 0.5
        noise = (h @ self.get("noise.weight") + self.get("noise.bias")).exp() + 1e-4
        s = noise.repeat(1, power.shape[1])
        own = s[:, :low] + (h @ self.get("output.weight") + self.get("output.bias")).exp()
        s = torch.cat([own, s[:, low:]], 1)
        q = 2 * (weight * power / s).sum(1)
        log_p = math.lgamma((nu + n) / 2) - math.lgamma(nu / 2) - n / 2 * math.log(nu * math.pi)
        log_p = log_p - (weight * s.log()).sum(1) - (nu + n) / 2 * torch.log1p(q / nu)
        return log_p - self.get("log_scale").sum()


class Morphology(Modality):
    """Features that are real (1) or counts (3), or maps; all features are there in rows that are."""

    def seen(self, rows):
        x = self.x[rows]
        if self.spec.get("likelihood", "features") != "features":
            return (1 + x).log()
        y = torch.where(self.get("kind") == 3, (1 + x).log(), x)
        y = (y - self.get("centre")) / self.get("log_scale").exp()
        return torch.cat([y, torch.zeros_like(y)], 1) if self.spec["encoder"].get("indicator", True) else y

    def log_px(self, z, rows):
        x, h = self.x[rows], self.stack("decoder", z, rows)
        eta = h @ self.get("output.weight").T + self.get("output.bias")
        likelihood = self.spec.get("likelihood", "features")
        if likelihood == "poisson":
            return torch.distributions.Poisson(eta.exp()).log_prob(x).sum(1)
        if likelihood == "dirichlet_multinomial":
            log_beta = h @ self.get("clump.weight") + self.get("clump.bias")
            total = NegativeBinomial(eta.exp().sum(1), logits=log_beta[:, 0]).log_prob(x.sum(1))
            alpha, n = eta.exp(), x.sum(1)
            shares = torch.lgamma(n + 1) + torch.lgamma(alpha.sum(1)) - torch.lgamma(n + alpha.sum(1)) + \
                (torch.lgamma(x + alpha) - torch.lgamma(alpha) - torch.lgamma(x + 1)).sum(1)
            return total + shares
        centre, scale, spread = self.get("centre"), self.get("log_scale").exp(), self.get("output.log_spread")
        real = Normal(centre + scale * eta, scale * (1e-4 + spread.exp()).sqrt()).log_prob(x)
        log_mean = centre + scale * eta
        count = NegativeBinomial(spread.exp(), logits=log_mean - spread).log_prob(x)
        return torch.where(self.get("kind") == 3, count, real).sum(1)


class Text(Modality):
    """Texts of bytes, without merges: blocks of self-attention read and write them (Vaswani et al. 2017, norms before).

    The bias of keys adds the same to all scores, so that its derivative is rounding alone: the case has an eps that keeps
    AdamW from making steps of it.
    """
    END = 256

    def __init__(self, name, spec, inputs, p):
        super().__init__(name, spec, inputs, p)
        most = spec["max_tokens"]
        self.tokens, self.cut = [], []
        for row in self.x.nan_to_num(0.0):
            text = [int(v) for v in row if v > 0]
            text = [ord(" ")] + text if text else text
            self.tokens.append(text[:most])
            self.cut.append(len(text) > most)

    def attention(self, which, x, causal):
        """x (T, width) -> the same."""
        heads, t, width = self.spec[which]["heads"], *x.shape

        def norm(name, v):
            return F.layer_norm(v, (width,), self.get(f"{which}.{name.replace('*', 'gain')}"),
                                self.get(f"{which}.{name.replace('*', 'shift')}"), 1e-5)

        def linear(name, v):
            return v @ self.get(f"{which}.{name}.weight") + self.get(f"{which}.{name}.bias")

        for k in range(self.spec[which]["layers"]):
            block = f"block{k}"
            q, key, v = linear(block + ".in", norm(block + ".*0", x)).chunk(3, 1)
            q, key, v = (a.reshape(t, heads, width // heads).transpose(0, 1) for a in (q, key, v))
            score = q @ key.transpose(1, 2) / math.sqrt(width // heads)
            if causal:
                score = score.masked_fill(torch.ones(t, t).triu(1).bool(), -math.inf)
            seen = (torch.softmax(score, 2) @ v).transpose(0, 1).reshape(t, width)
            x = x + linear(block + ".out", seen)
            x = x + linear(block + ".narrow", F.gelu(linear(block + ".wide", norm(block + ".*1", x))))
        return norm("*", x)

    def states(self, which, tokens, step, causal):
        x = self.get(which + ".embedding")[tokens] @ self.get(which + ".enter.weight") + self.get(which + ".enter.bias")
        return self.attention(which, x + self.get(which + ".position")[:len(tokens)] + step, causal)

    def seen(self, rows):
        out = []
        for r in rows.tolist():
            tokens = self.tokens[r]
            out.append(self.states("encoder", torch.tensor(tokens), 0.0, False).mean(0) if tokens
                       else torch.zeros(self.spec["encoder"]["state"]))
        return torch.stack(out)

    def log_px(self, z, rows):
        d, out = self.stack("decoder", z, rows), []
        step = d @ self.get("decoder.step.weight") + self.get("decoder.step.bias")
        for k, r in enumerate(rows.tolist()):
            written = self.tokens[r] + ([] if self.cut[r] else [self.END])
            before = torch.tensor([self.END] + written[:-1])
            h = self.states("decoder", before, step[k], True)
            log_p = F.log_softmax(h @ self.get("output.weight").T + self.get("output.bias"), 1)
            out.append(log_p[torch.arange(len(written)), torch.tensor(written)].sum())
        return torch.stack(out)


def covariates(names, inputs):
    """One column per category, all 0 where missing; numbers standardised by all rows, 0 where missing."""
    columns = []
    for name in names:
        label = inputs["label." + name]
        if name == "batch":
            columns += [(label == k).double() for k in range(3)]
        else:
            known = label[~label.isnan()]
            standard = (label - known.mean()) / known.std(unbiased=False)
            columns.append(standard.nan_to_num(0.0))
    return torch.stack(columns, 1) if columns else None


PLUGINS = {"morphology": Morphology, "text": Text, "signal": Signal, "spectrum": Spectrum, "table": Table}


class Head:
    """A stack on z and covariates, or a linear layer on both; losses (R) of rows that have the target."""
    output, reach, own_step, rate, at_mean = "output", 1.0, False, 1.0, False

    def __init__(self, name, spec, inputs, p):
        self.name, self.spec, self.p = name, spec, p
        self.covariates = covariates(spec.get("covariates", []), inputs)
        self.weight = spec.get("weight", 10.0)
        self.at_mean = spec.get("latent", "mean" if self.at_mean else "sample") == "mean"
        target = spec["target"] if isinstance(spec["target"], list) else [spec["target"]]
        self.target = torch.stack([inputs["label." + t] for t in target], 1)
        self.has = ~self.target.isnan().any(1) & ((self.target >= 0).all(1) | torch.tensor("batch" not in target))

    def get(self, name):
        return self.p["heads." + self.name + "." + name]

    def predict(self, z, rows):
        hidden = self.spec.get("hidden", [])
        for i in range(len(hidden)):
            z = z @ self.get(f"stack.layer{i}.weight") + self.get(f"stack.layer{i}.bias")
            if i == 0 and self.covariates is not None:
                z = z + self.covariates[rows] @ self.get("stack.covariates")
            z = ACTIVATIONS[self.spec.get("activation", "relu")](z)
        y = z @ self.get(self.output + ".weight") + self.get(self.output + ".bias")
        if not hidden and self.covariates is not None:
            y = y + self.covariates[rows] @ self.get(self.output + ".covariates")
        return y

    def divided(self, mean):
        """The mean loss over a variance that is learned, if it is."""
        if self.spec.get("uncertainty") != "learned":
            return mean
        s = self.get("uncertainty.log_variance").clamp(-5, 5).squeeze()
        return mean / s.exp() + s / 2


class Classifier(Head):
    """Softmax cross entropy with label smoothing; balanced weights from all rows with a class."""
    output = "logits"

    def __init__(self, name, spec, inputs, p):
        super().__init__(name, spec, inputs, p)
        self.code = self.target[:, 0].long()
        known = self.code[self.code >= 0]
        self.n_classes = int(known.max()) + 1
        self.class_weight = torch.ones(self.n_classes)
        if spec.get("class_weights") == "balanced":
            exact = len(known) / (self.n_classes * torch.bincount(known).double())
            self.class_weight = self.get("class_weight").reshape(-1)  # stored as floats
            assert torch.allclose(self.class_weight, exact, rtol=1e-6)

    def losses(self, z, rows):
        code = self.code[rows]
        entropy = F.cross_entropy(self.predict(z, rows), code, reduction="none",
                                  label_smoothing=self.spec.get("label_smoothing", 0.0))
        return self.class_weight[code] * entropy


class Adversary(Classifier):
    """z goes against it; with steps of its own, or in the model's."""
    reach, at_mean = -1.0, True

    def __init__(self, name, spec, inputs, p):
        super().__init__(name, spec, inputs, p)
        self.own_step = spec.get("update", "alternating") == "alternating"
        self.rate = spec.get("learning_rate", 1.0)


class Ordinal(Classifier):
    """Differences of the cumulative probabilities of proportional odds."""
    output = "output"

    def losses(self, z, rows):
        code, gaps = self.code[rows], F.softplus(self.get("threshold.raw_gap")) + 1e-3
        thresholds = self.get("threshold.first") + torch.cat([torch.zeros(1), gaps.cumsum(0)])
        below = torch.sigmoid(thresholds - self.predict(z, rows))
        one = torch.ones(len(rows), 1)
        p = torch.cat([below, one], 1) - torch.cat([0 * one, below], 1)
        return -self.class_weight[code] * p.gather(1, code[:, None]).log()[:, 0]


class Regressor(Head):
    """In the standardised unit."""

    def losses(self, z, rows):
        y = self.predict(z, rows)
        t = (self.target[rows, 0] - self.get("target_mean")) / self.get("target_sd")
        if self.spec.get("loss", "gaussian") == "huber":
            return F.huber_loss(y[:, 0], t, reduction="none", delta=self.spec.get("delta", 1.0))
        raw = y[:, 1] if self.spec.get("variance", "shared") == "row" else self.get("output.raw_sd")
        return -Normal(y[:, 0], F.softplus(raw) + self.spec.get("least_sd", 0.05)).log_prob(t)


class Survival(Head):
    def losses(self, z, rows):
        time, event = self.target[rows].T
        y, end = self.predict(z, rows), self.get("interval_end")
        begin = torch.cat([torch.zeros(1), end[:-1]])
        if self.spec.get("model", "cox") == "cox":
            return self.partial(y[:, 0], time, event) + self.spec.get("baseline_weight", 1.0) * \
                self.whole(y[:, 0], time, event, begin, end)
        out = []
        for logit, t, e in zip(y, time, event):
            loss = 0.0
            for k in range(len(end)):
                if e and begin[k] < t <= end[k]:
                    loss = loss - F.logsigmoid(logit[k])
                elif begin[k] < end[k] <= t:
                    loss = loss - F.logsigmoid(-logit[k])
            out.append(loss + 0.0 * logit.sum())
        return torch.stack(out)

    def partial(self, r, time, event):
        """Efron's approximation, event by event; the tied ones share their losses, of which only the sum counts."""
        out = 0.0 * r
        for t in time[event == 1].unique():
            tied = (time == t) & (event == 1)
            d, at_risk, dying = int(tied.sum()), r[time >= t].exp().sum(), r[tied].exp().sum()
            total = -r[tied].sum() + sum((at_risk - k / d * dying).log() for k in range(d))
            out = out + torch.where(tied, total / d, 0.0)
        return out

    def whole(self, r, time, event, begin, end):
        """Piecewise constant baseline hazard, per unit of time."""
        rate, unit = self.get("baseline.log_rate"), self.get("time_unit")
        time = torch.maximum(time, self.get("least_time"))
        spent = (torch.minimum(time[:, None], end) - begin).clamp(min=0.0) / unit
        inside = ((begin < time[:, None]) & (time[:, None] <= end)).double()
        return r.exp() * (spent * rate.exp()).sum(1) - event * (r + (inside * rate).sum(1))


HEADS = {"classifier": Classifier, "adversary": Adversary, "ordinal": Ordinal, "regressor": Regressor,
         "survival": Survival}


def normal(mean, logvar):
    return Independent(Normal(mean, (logvar / 2).exp()), 1)


class Model:
    def __init__(self, spec, inputs, p):
        self.spec, self.p, self.dim = spec, p, spec["latent"]["dim"]
        self.modalities = [PLUGINS.get(s["plugin"], Modality)(name, s, inputs, p)
                           for name, s in spec["modalities"].items()]
        self.heads = [HEADS[s["plugin"]](name, s, inputs, p) for name, s in spec.get("heads", {}).items()]
        self.all = (1 << len(self.modalities)) - 1
        self.bound, self.samples = (spec["objective"].get(k, d) for k, d in (("bound", "elbo"), ("samples", 1)))
        self.n_rows = len(inputs["label.batch"])
        self.present = [sum(1 << i for i, m in enumerate(self.modalities) if m.present[r]) for r in range(self.n_rows)]

    def product(self, experts, used):
        """Posterior of one row: mean, log-variance."""
        fusion = self.spec["fusion"]
        kind = fusion.get("precision_scale", "one")
        precision = weighted = torch.zeros(self.dim)
        if fusion.get("prior_expert", fusion["plugin"] == "poe"):
            precision = precision + 1.0
        for i in used:
            mean, logvar = experts[i]
            t = 1.0
            if kind != "one":
                raw = self.p["fusion.precision_scale"][i]
                t = torch.sigmoid(raw) if kind == "learned" else raw.exp()
            precision = precision + t / logvar.exp()
            weighted = weighted + t / logvar.exp() * mean
        return weighted / precision, -precision.log()

    def generalised(self, experts, used):
        """Powers that sum to one."""
        logit, prior = self.p["fusion.power.logit"], float(self.spec["fusion"].get("prior_expert", False))
        power = torch.softmax(torch.stack([logit[i] for i in used]), 0)
        precision = prior + sum(w / experts[i][1].exp() for w, i in zip(power, used))
        weighted = sum(w / experts[i][1].exp() * experts[i][0] for w, i in zip(power, used))
        return weighted / precision, -precision.log()

    def consensus(self, experts, used):
        """Errors of common correlation: the inverse of their covariance, dimension by dimension."""
        fusion = self.spec["fusion"]
        rho = torch.tensor(fusion.get("correlation", 0.5))
        if fusion.get("estimate", "fixed") != "fixed":
            rho = 0.99 * torch.sigmoid(self.p["fusion.correlation"])
        mean, sd = (torch.stack([experts[i][k] for i in used], 1) for k in (0, 1))
        sd = (sd / 2).exp()
        eye = torch.eye(len(used))
        covariance = (eye + rho * (1 - eye)) * sd[:, :, None] * sd[:, None, :]
        row = torch.linalg.solve(covariance, torch.ones(self.dim, len(used)))
        precision, weighted = row.sum(1), (row * mean).sum(1)
        prior = float(fusion.get("prior_expert", True))
        return weighted / (precision + prior), -(precision + prior).log()

    def posterior(self, experts, r, mask):
        """[(component, weight, mean, logvar)] of row r given the modalities in mask."""
        used = [i for i in range(len(self.modalities)) if mask & self.present[r] & 1 << i]
        plugin = self.spec["fusion"]["plugin"]
        if plugin in ("poe", "mvtcae"):
            return [(0, 1.0, *self.product(experts, used))]
        if plugin in ("gpoe", "code"):
            return [(0, 1.0, *(self.generalised if plugin == "gpoe" else self.consensus)(experts, used))]
        if plugin == "mopoe":
            have = sum(1 << i for i in used)
            subsets = [s for s in range(1, self.all + 1) if s & ~have == 0]
            return [(s - 1, 1.0 / len(subsets), *self.product(experts, [i for i in used if s >> i & 1]))
                    for s in subsets]
        return [(i, 1.0 / len(used), *experts[i]) for i in used]

    def own_loss(self, experts, used, parts, bound):
        """Factor on the likelihood, and what stands in place of the divergence."""
        fusion, n = self.spec["fusion"], len(used)
        if fusion["plugin"] == "mvtcae":
            alpha, q = fusion.get("alpha", 5 / 6), normal(*parts[0][2:])
            conditional = sum(kl_divergence(q, normal(*experts[i])) for i in used)
            return (n - alpha) / n, alpha / n * conditional + (1 - alpha) * bound
        if fusion["plugin"] == "jsd":
            zero = torch.zeros(self.dim)
            everyone = [experts[i] for i in used] + [(zero, zero)]
            precision = sum(1 / v.exp() for _, v in everyone) / (n + 1)
            middle = sum(m / v.exp() for m, v in everyone) / (n + 1) / precision
            dynamic = normal(middle, -precision.log())
            return 1.0, sum(kl_divergence(normal(*e), dynamic) for e in everyone) / (n + 1)
        return 1.0, bound

    def encode(self, rows):
        """experts[row][modality] = (mean, logvar); the same of private latents in self.own."""
        experts, self.own = ({r: {} for r in rows} for _ in range(2))
        for i, m in enumerate(self.modalities):
            have = [r for r in rows if m.present[r]]
            if have:
                mean, logvar = m.encode(torch.tensor(have))
                for k, r in enumerate(have):
                    experts[r][i] = (mean[k, :self.dim], logvar[k, :self.dim])
                    self.own[r][i] = (mean[k, self.dim:], logvar[k, self.dim:])
        return experts

    def subsets(self, seed, step):
        """[(mask, noise address, weight)], the joint first"""
        o, n = self.spec["objective"], len(self.modalities)
        out = [(self.all, 0, 1.0)]
        weight = o.get("subset_weight", 1.0)
        words = o["subsets"].split("+")
        if "single" in words:
            out += [(1 << i, 1 + i, weight) for i in range(n)]
        for word in words:
            if word.startswith("random:"):
                key = noise_key(seed, fnv("subsets"), step)
                for k in range(int(word[7:])):
                    attempt, mask = 0, 0
                    while mask in (0, self.all):
                        mask = mix(key, k + (attempt << 32)) >> 7 & self.all
                        attempt += 1
                    out.append((mask, 128 + k, weight))
        return out

    def divergence(self, parts, part, z):
        """Of one row: closed form for a product, else log q(z) - log p(z) of the whole mixture."""
        prior = normal(torch.zeros(self.dim), torch.zeros(self.dim))
        _, _, mean, logvar = part
        if self.bound == "elbo" and self.spec["fusion"]["plugin"] in ("poe", "gpoe", "code", "mvtcae"):
            return kl_divergence(normal(mean, logvar), prior)
        terms = [math.log(w) + Normal(m, (v / 2).exp()).log_prob(z).sum() for _, w, m, v in parts]
        return torch.logsumexp(torch.stack(terms), 0) - prior.log_prob(z)

    def sample(self, parts, part, unit):
        """z of a component, what becomes of its derivative, and log q - log p or its closed form."""
        _, _, mean, logvar = part
        z = mean + (logvar / 2).exp() * unit
        if self.bound != "dreg":
            return z, None, self.divergence(parts, part, z)
        # Doubly reparametrised: parameters reach log q through z alone; one more factor is the sample's share.
        gate, share = z * 1.0, []
        if gate.requires_grad:
            gate.register_hook(lambda d: d * share[0])
        held = [(c, w, m.detach(), v.detach()) for c, w, m, v in parts]
        return gate, share, self.divergence(held, held[parts.index(part)], gate)

    def members(self, component, used):
        """The modalities that a component consists of."""
        plugin = self.spec["fusion"]["plugin"]
        subset = component + 1 if plugin == "mopoe" else 1 << component if plugin in ("moe", "jsd") else self.all
        return [i for i in used if subset >> i & 1]

    def privates(self, r, members, share, step, sample):
        """Of one row: private latents by modality, and the sum of log q - log p or its closed form."""
        out, total = {}, 0.0
        for i, m in enumerate(self.modalities):
            if m.private == 0 or not self.present[r] >> i & 1:
                continue
            zero = torch.zeros(m.private)
            unit = torch.tensor(normals(self.spec["seed"], step, r, sample, m.private, m.name + ".private"))
            if i not in members:  # from the auxiliary distribution, which has no part in the bound
                learned = m.spec["private"].get("cross", "prior") == "learned"
                out[i] = (m.get("private.log_variance") / 2).exp() * unit if learned else unit
                continue
            mean, logvar = self.own[r][i]
            w = mean + (logvar / 2).exp() * unit
            if self.bound == "elbo":
                total = total + kl_divergence(normal(mean, logvar), normal(zero, zero))
            elif self.bound == "dreg":
                w = w * 1.0
                w.register_hook(lambda d: d * share[0])
                total = total + normal(mean.detach(), logvar.detach()).log_prob(w) - normal(zero, zero).log_prob(w)
            else:
                total = total + normal(mean, logvar).log_prob(w) - normal(zero, zero).log_prob(w)
            out[i] = w
        return out, total

    def importance(self, cells, beta):
        """Sum over rows and components of log mean_k w_k; the shares of the samples where they are asked for."""
        total = 0.0
        for weight, samples in cells.values():
            log_w = torch.stack([log_px - beta * ratio for log_px, ratio, _ in samples])
            total = total + weight * (torch.logsumexp(log_w, 0) - math.log(len(samples)))
            for k, (_, _, share) in enumerate(samples):
                if share is not None:
                    share.append(1.0 - beta * (1.0 - torch.softmax(log_w, 0)[k].detach()))
        return total

    def loss(self, rows, step, beta):
        seed, experts = self.spec["seed"], self.encode(rows)
        own = self.spec["objective"]["reconstruct"] == "own"
        subsets = self.subsets(seed, step)
        n = sum(self.present[r] != 0 for r in rows)
        total, joint_kl = 0.0, 0.0
        log_px, n_px = [0.0] * len(self.modalities), [0] * len(self.modalities)
        # (z, row, weight in the bound, weight in the joint's figures, its sample in a cell)
        decode = [[] for _ in self.modalities]
        cells = {}  # (subset, row, component): (weight, [[log_px, ratio, share] of each sample])
        for index, (mask, address, weight) in enumerate(subsets):
            for r in rows:
                have = self.present[r]
                if not mask & have or (index > 0 and mask & have == have):
                    continue
                parts, at, kl, own_kl = self.posterior(experts[r], r, mask), [], 0.0, 0.0
                used = [i for i in range(len(self.modalities)) if mask & have & 1 << i]
                for k in range(self.samples):
                    for part in parts:
                        component, share, mean, logvar = part
                        place = (k * 192 + address) * 65 + component
                        unit = torch.tensor(normals(seed, step, r, place, self.dim))
                        z, gate, ratio = self.sample(parts, part, unit)
                        w, extra = self.privates(r, self.members(component, used), gate, step, place)
                        at.append((z, w, share / self.samples, [0.0, ratio + extra, gate]))
                        kl, own_kl = kl + share / self.samples * ratio, own_kl + share / self.samples * extra
                        cells.setdefault((index, r, component), (weight * share, []))[1].append(at[-1][3])
                factor, penalty = self.own_loss(experts[r], used, parts, kl)
                if self.bound == "elbo":
                    # What private latents add is a bound of the log-likelihoods, whose factor it takes.
                    total = total - weight * beta * (penalty + factor * own_kl)
                joint_kl = joint_kl + (torch.as_tensor(kl + own_kl).item() if index == 0 else 0.0)
                for z, w, share, sample in at:
                    for i in range(len(self.modalities)):
                        if have >> i & 1 and not (own and not mask >> i & 1):
                            z_i = torch.cat([z, w[i]]) if i in w else z
                            decode[i].append((z_i, r, weight * factor * share, share if index == 0 else 0.0, sample))
        for i, m in enumerate(self.modalities):
            if decode[i]:
                z, r, w, joint, sample = zip(*decode[i])
                rows_px = m.log_px(torch.stack(z), torch.tensor(r))
                for s, px in zip(sample, rows_px):
                    s[0] = s[0] + m.weight * px
                if self.bound == "elbo":
                    total = total + m.weight * (torch.tensor(w) * rows_px).sum()
                log_px[i] = (torch.tensor(joint) * rows_px).sum().item()
            n_px[i] = sum(bool(m.present[r]) for r in rows)
        if self.bound != "elbo":
            total = self.importance(cells, beta)
        loss, figures, counted = -total / (n * sum(s[2] for s in subsets)), [], 0.0
        counted = loss.item()
        for head in self.heads:
            mean, summed, count = self.head_loss(head, rows, experts, step, subsets, head.reach)
            part = head.weight * head.divided(mean)
            loss, counted = loss + part, counted + (part.item() if head.reach > 0 else 0.0)
            figures += [summed, count]
        terms = [counted, (sum(log_px) - joint_kl) / n, joint_kl / n, n]
        for a, b in zip(log_px, n_px):
            terms += [a, b]
        return loss, terms + figures

    def head_loss(self, head, rows, experts, step, subsets, reach):
        """Mean over the terms of the mean loss over their rows; sum and rows of the joint term."""
        if head.spec.get("posteriors", "joint") == "joint":
            subsets = subsets[:1]
        total, weights, figures = 0.0, 0.0, [0.0, 0]
        for index, (mask, address, weight) in enumerate(subsets):
            zs, at, shares = [], [], []
            for r in rows:
                if not (mask & self.present[r] and head.has[r]):
                    continue
                for component, share, mean, logvar in self.posterior(experts[r], r, mask):
                    unit = torch.tensor(normals(self.spec["seed"], step, r, address * 65 + component, self.dim))
                    z = mean if head.at_mean else mean + (logvar / 2).exp() * unit
                    zs.append(z), at.append(r), shares.append(torch.as_tensor(share, dtype=torch.float64))
            if not at:
                continue
            z, share = scaled_back(torch.stack(zs), reach), scaled_back(torch.stack(shares), reach)
            summed = (share * head.losses(z, torch.tensor(at))).sum()
            total, weights = total + weight * summed / len(set(at)), weights + weight
            figures = [summed.item(), len(set(at))] if index == 0 else figures
        return total / weights, *figures

    def own_loss_of_heads(self, rows, step):
        """Of those with steps of their own, which move nothing else."""
        experts, subsets = self.encode(rows), self.subsets(self.spec["seed"], step)
        return sum(self.head_loss(h, rows, experts, step, subsets, 0.0)[0] for h in self.heads if h.own_step)


def scaled_back(t, factor):
    """t, with its derivative times `factor`."""
    return t.detach() * (1.0 - factor) + t * factor


# --- training ---

def decay_of(name, spec):
    """Weights decay, biases, gains and dispersions do not; some layers by a factor of their own."""
    head, _, tail = name.partition(".")
    if not tail.endswith((".weight", "covariates", ".embedding", ".unknown", ".position")):
        return 0.0
    if head == "heads":
        return spec["heads"][tail.partition(".")[0]].get("decay", 1.0)
    m = spec["modalities"].get(head, {})
    if tail in ("output.weight", "extra_zero.weight"):
        return m["decoder"].get("output_decay", 1.0)
    if tail == "encoder.layer0.weight":
        return m["encoder"].get("input_decay", 1.0)
    return 1.0


def run(spec, inputs):
    fixed = {n: t for n, t in inputs.items() if n.endswith(FIXED)}
    start = {n: t for n, t in inputs.items() if n not in fixed and not n.startswith(("x.", "label.")) and n != "rows"}
    p = {n: t.clone().requires_grad_() for n, t in start.items()}
    model = Model(spec, inputs, {**p, **fixed})
    train, beta = spec["train"], spec["objective"]["beta"]
    opt = train["optimiser"]
    calibrated = "calibrated" in (spec["fusion"].get(k) for k in ("precision_scale", "estimate"))
    own = {h.name: h.rate for h in model.heads if h.own_step}
    group = {n: n.split(".")[1] if n.split(".")[0] == "heads" and n.split(".")[1] in own else None for n in p}
    trained = {n: t for n, t in p.items() if not (calibrated and n.startswith("fusion."))}
    alone = {n: t for n, t in trained.items() if group[n] is not None}
    trained = {n: t for n, t in trained.items() if group[n] is None}
    adamw, adamw_alone = (
        torch.optim.AdamW([{"params": [t], "weight_decay": opt["weight_decay"] * decay_of(n, spec),
                            "lr": opt["lr"] * own.get(group[n], 1.0)} for n, t in some.items()],
                          betas=tuple(opt.get("betas", (0.9, 0.999))), eps=opt.get("eps", 1e-8)) if some else None
        for some in (trained, alone))
    out, terms = {}, []

    def derivatives(loss):
        for t in p.values():
            t.grad = None
        loss.backward()
        for t in p.values():
            t.grad = torch.zeros_like(t) if t.grad is None else t.grad

    def update(which, some):
        norm = torch.sqrt(sum((t.grad**2).sum() for t in some.values()))
        if opt.get("clip_norm", 0) and norm > opt["clip_norm"]:
            for t in some.values():
                t.grad *= opt["clip_norm"] / norm
        which.step()

    for step in range(STEPS):
        rows = [int(r) for r in inputs["rows"][step] if r >= 0]
        b = beta if not isinstance(beta, dict) else \
            beta["from"] + (beta["to"] - beta["from"]) * min(step / beta["steps"], 1.0)
        if step == 0:
            derivatives(model.loss(rows, step, b)[0])
            gradient = {n: t.grad.clone() for n, t in p.items()}
        if alone:
            derivatives(model.own_loss_of_heads(rows, step))
            update(adamw_alone, alone)
        loss, figures = model.loss(rows, step, b)
        derivatives(loss)
        terms.append(figures)
        update(adamw, trained)
    for n, t in p.items():
        out[n] = torch.stack([start[n].reshape(-1), gradient[n].reshape(-1), t.detach().reshape(-1)])
    out.update(fixed)
    out["terms"] = torch.tensor(terms)
    return out


def main():
    source, here = Path(sys.argv[1]), Path(sys.argv[2])
    for path in sorted(here.glob("*.json")):
        result = run(json.loads(path.read_text()), read(source / (path.stem + ".safetensors")))
        write(here / (path.stem + ".safetensors"), result)
        print(path.stem, "loss", *(f"{t[0].item():.6f}" for t in result["terms"][[0, -1]]))


if __name__ == "__main__":
    main()
