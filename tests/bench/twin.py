#!/usr/bin/env python3
"""The training step of stele-bench in PyTorch (pinned: torch==2.13.0), as its users write it.

    twin.py --genes 1677 --peaks 25734 --batch 128 --hidden 128 --threads 0
    twin.py --side 28 --batch 128 --threads 0
    twin.py --kind text|signal|spikes --batch 128 --threads 0

Same model: two encoders and decoders of one hidden layer, product of experts with a prior expert, negative
binomial with a log link and per-gene dispersion, Bernoulli with logits, AdamW (fused). Four ways of computing it
are timed, eager and compiled, with the first layers on dense rows or on the entries of sparse ones; the fastest
counts. With --side it is the model of images of configs/mnist.yaml, with --kind one of texts of 32 words, of windows of a
signal (5 channels of 200 samples) or of spikes (13 bins of 71 neurons), each eager alone. The median in milliseconds goes to
standard output, that of every way to standard error. Without PyTorch nothing is printed and the exit code is 3.
"""
import argparse
import statistics
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit(3)

LATENT = 20
ROWS = 1024  # the data: enough that batches differ, and small enough to be dense in memory


class Modality(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.first = nn.Parameter(torch.empty(features, hidden).uniform_(-1, 1) / features**0.5)
        self.first_bias = nn.Parameter(torch.zeros(hidden))
        self.expert = nn.Linear(hidden, 2 * LATENT)
        self.decoder = nn.Linear(LATENT, hidden)
        self.output = nn.Linear(hidden, features)


class Model(nn.Module):
    def __init__(self, genes, peaks, hidden):
        super().__init__()
        self.rna = Modality(genes, hidden)
        self.atac = Modality(peaks, hidden)
        self.log_theta = nn.Parameter(torch.zeros(genes))

    def loss(self, first_rna, first_atac, rna, atac, noise):
        """First layers' sums (batch, hidden), dense rows, standard normal noise (batch, latent)."""
        mean = precision = 0.0
        for part, first in ((self.rna, first_rna), (self.atac, first_atac)):
            mu, log_var = part.expert(F.relu(first + part.first_bias)).chunk(2, 1)
            weight = torch.exp(-log_var)
            precision = precision + weight
            mean = mean + weight * mu
        precision = precision + 1.0
        mean = mean / precision
        z = mean + noise * precision.rsqrt()
        kl = 0.5 * (mean.square() + 1.0 / precision - 1.0 + precision.log()).sum()
        size = torch.log(rna.sum(1, keepdim=True).clamp(min=1.0) / 400.0)
        log_mu = self.rna.output(F.relu(self.rna.decoder(z))) + size
        theta = self.log_theta.exp()
        log_sum = torch.log(theta + log_mu.exp())
        nb = (torch.lgamma(rna + theta) - torch.lgamma(theta) - torch.lgamma(rna + 1.0)
              + theta * (self.log_theta - log_sum) + rna * (log_mu - log_sum))
        depth = torch.log(atac.sum(1, keepdim=True).clamp(min=1.0) / 1200.0)
        logits = self.atac.output(F.relu(self.atac.decoder(z))) + depth
        bernoulli = F.binary_cross_entropy_with_logits(logits, atac, reduction="sum")
        return (kl - nb.sum() + bernoulli) / rna.shape[0]


class ImageModel(nn.Module):
    def __init__(self, side):
        super().__init__()
        first = 64 * (side // 4) ** 2
        self.encoder = nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.SiLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.SiLU(),
                                     nn.Flatten(), nn.Linear(first, 256), nn.SiLU(), nn.Linear(256, 32))
        self.decoder = nn.Sequential(nn.Linear(16, 256), nn.SiLU(), nn.Linear(256, first), nn.SiLU(),
                                     nn.Unflatten(1, (64, side // 4, side // 4)),
                                     nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.SiLU(),
                                     nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False))
        self.bias = nn.Parameter(torch.zeros(1, side, side))

    def loss(self, x, noise):
        mean, log_var = self.encoder(x).chunk(2, 1)
        logits = self.decoder(mean + noise * torch.exp(0.5 * log_var)) + self.bias
        kl = 0.5 * (mean.square() + log_var.exp() - 1.0 - log_var).sum()
        return (kl + F.binary_cross_entropy_with_logits(logits, x, reduction="sum")) / x.shape[0]


class TextModel(nn.Module):
    tokens, vocab, width, state = 32, 1024, 64, 128

    def __init__(self):
        super().__init__()
        self.read = nn.Embedding(self.vocab, self.width)
        self.reader = nn.GRU(self.width, self.state, batch_first=True)
        self.encoder = nn.Sequential(nn.Linear(self.state, 128), nn.ReLU(), nn.Linear(128, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 128), nn.ReLU())
        self.start, self.each = nn.Linear(128, self.state), nn.Linear(128, self.width)
        self.write = nn.Embedding(self.vocab, self.width)
        self.unknown = nn.Parameter(torch.zeros(self.width))
        self.writer = nn.GRU(self.width, self.state, batch_first=True)
        self.output = nn.Linear(self.state, self.vocab)

    @classmethod
    def rows(cls, generator):
        return torch.randint(257, cls.vocab, (ROWS, cls.tokens), generator=generator)

    def loss(self, x, noise):
        mean, log_var = self.encoder(self.reader(self.read(x))[0][:, -1]).chunk(2, 1)
        d = self.decoder(mean + noise * torch.exp(0.5 * log_var))
        end = torch.full((len(x), 1), 256)
        before = self.write(torch.cat([end, x], 1))
        kept = torch.rand(before.shape[:2]) > 0.25
        before = torch.where(kept[..., None], before, self.unknown) + self.each(d)[:, None]
        h = self.writer(before, torch.tanh(self.start(d))[None])[0]
        target = torch.cat([x, end], 1)
        nll = F.cross_entropy(self.output(h).flatten(0, 1), target.flatten(), reduction="sum")
        return (0.5 * (mean.square() + log_var.exp() - 1.0 - log_var).sum() + nll) / len(x)


class SignalModel(nn.Module):
    channels, samples = 5, 200

    def __init__(self):
        super().__init__()
        last = 64 * self.samples // 4
        self.encoder = nn.Sequential(nn.Conv1d(2 * self.channels, 32, 5, 2, 2), nn.SiLU(), nn.Conv1d(32, 64, 5, 2, 2),
                                     nn.SiLU(), nn.Flatten(), nn.Linear(last, 128), nn.SiLU(), nn.Linear(128, 2 * LATENT))
        self.hidden = nn.Sequential(nn.Linear(LATENT, 128), nn.SiLU())
        self.decoder = nn.Sequential(nn.Linear(128, last), nn.SiLU(), nn.Unflatten(1, (64, self.samples // 4)),
                                     nn.ConvTranspose1d(64, 32, 5, 2, 2, 1), nn.SiLU(),
                                     nn.ConvTranspose1d(32, self.channels, 5, 2, 2, 1, bias=False))
        self.bias = nn.Parameter(torch.zeros(self.channels, self.samples))
        self.log_variance = nn.Linear(128, 1)

    @classmethod
    def rows(cls, generator):
        return torch.rand(ROWS, cls.channels, cls.samples, generator=generator) - 0.5

    def loss(self, x, noise):
        missing = torch.isnan(x)
        seen = torch.cat([torch.where(missing, 0.0, x), missing.float()], 1)
        mean, log_var = self.encoder(seen).chunk(2, 1)
        d = self.hidden(mean + noise * torch.exp(0.5 * log_var))
        log_v = self.log_variance(d)[..., None]
        nll = 0.5 * (log_v + (x - self.decoder(d) - self.bias).square() / (1e-3 + log_v.exp())).sum()
        return (0.5 * (mean.square() + log_var.exp() - 1.0 - log_var).sum() + nll) / len(x)


class SpikesModel(nn.Module):
    bins, neurons = 13, 71

    def __init__(self):
        super().__init__()
        self.reader = nn.GRU(self.neurons, 64, batch_first=True)
        self.encoder = nn.Sequential(nn.Linear(64 + self.bins, 64), nn.ReLU(), nn.Linear(64, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, self.neurons))

    @classmethod
    def rows(cls, generator):
        return (torch.rand(ROWS, cls.bins, cls.neurons, generator=generator) < 0.2).float()

    def loss(self, x, noise):
        there = torch.ones(x.shape[:2])
        last = self.reader(torch.log1p(x))[0][:, -1]
        mean, log_var = self.encoder(torch.cat([last, there], 1)).chunk(2, 1)
        rate = self.decoder(mean + noise * torch.exp(0.5 * log_var))
        own = x[:, self.bins // 2]
        nll = F.poisson_nll_loss(rate, own, reduction="sum") + torch.lgamma(own + 1.0).sum()
        return (0.5 * (mean.square() + log_var.exp() - 1.0 - log_var).sum() + nll) / len(x)


SEQUENCES = {"text": TextModel, "signal": SignalModel, "spikes": SpikesModel}


class Data:
    """Random cells: dense rows, and the same rows as lists of entries."""

    def __init__(self, features, per_row, binary, generator):
        p = torch.exp(torch.randn(features, generator=generator))
        p = (per_row * p / p.sum()).clamp(max=0.9)
        x = torch.zeros(ROWS, features)
        for row in range(0, ROWS, 64):
            x[row:row + 64] = torch.poisson(p.expand(64, -1), generator=generator)
        self.dense = x.clamp(max=1.0) if binary else x
        self.entries = [row.nonzero().flatten() for row in self.dense]

    def rows(self, index):
        return self.dense.index_select(0, index)

    def sparse_first(self, index, x, weight):
        """log1p(x) @ weight from the stored entries alone."""
        entries = [self.entries[i] for i in index.tolist()]
        offsets = torch.tensor([0] + [len(e) for e in entries[:-1]]).cumsum(0)
        column = torch.cat(entries)
        row = torch.repeat_interleave(torch.arange(len(entries)), torch.tensor([len(e) for e in entries]))
        return F.embedding_bag(column, weight, offsets, mode="sum", per_sample_weights=torch.log1p(x[row, column]))


def timed(options, step):
    """Median milliseconds of step(), warmed up."""
    seconds = []
    end = time.monotonic() + options.seconds
    while len(seconds) < 8 or (time.monotonic() < end and len(seconds) < 400):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds[len(seconds) // 4:])


def median_step(options, compiled, sparse):
    generator = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    model = Model(options.genes, options.peaks, options.hidden)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    data = options.data
    loss_of = torch.compile(model.loss) if compiled else model.loss
    dense = torch.compile(lambda x, w: torch.log1p(x) @ w) if compiled else lambda x, w: torch.log1p(x) @ w

    def step():
        index = torch.randint(ROWS, (options.batch,), generator=generator)
        x = [d.rows(index) for d in data]
        weights = (model.rna.first, model.atac.first)
        if sparse:
            first = [d.sparse_first(index, v, w) for d, v, w in zip(data, x, weights)]
        else:
            first = [dense(v, w) for v, w in zip(x, weights)]
        loss_of(*first, *x, torch.randn(options.batch, LATENT)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return timed(options, step)


def image_step(options):
    generator = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    model = ImageModel(options.side)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    data = (torch.rand(ROWS, 1, options.side, options.side, generator=generator) < 0.2).float()

    def step():
        x = data.index_select(0, torch.randint(ROWS, (options.batch,), generator=generator))
        model.loss(x, torch.randn(options.batch, 16)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return timed(options, step)


def sequence_step(options):
    generator = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    model = SEQUENCES[options.kind]()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    data = model.rows(generator)

    def step():
        x = data.index_select(0, torch.randint(ROWS, (options.batch,), generator=generator))
        model.loss(x, torch.randn(options.batch, LATENT)).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return timed(options, step)


def main():
    parser = argparse.ArgumentParser()
    for name in ("genes", "peaks", "side", "batch", "hidden", "threads"):
        parser.add_argument("--" + name, type=int, default=0)
    parser.add_argument("--kind", default="")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each of the ways")
    options = parser.parse_args()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    if options.kind:
        print(f"{sequence_step(options):.3f}")
        return
    if options.side > 0:
        print(f"{image_step(options):.3f}")
        return
    generator = torch.Generator().manual_seed(1)
    options.data = (Data(options.genes, 0.24 * options.genes, False, generator),
                    Data(options.peaks, 0.045 * options.peaks, True, generator))
    best = None
    for compiled in (False, True):
        for sparse in (False, True):
            try:
                ms = median_step(options, compiled, sparse)
            except Exception as error:  # no compiler for torch.compile: the eager figures stand
                print(f"  PyTorch {compiled=} {sparse=}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
                continue
            print(f"  PyTorch {compiled=} {sparse=}: {ms:.1f} ms", file=sys.stderr)
            best = ms if best is None else min(best, ms)
    if best is not None:
        print(f"{best:.3f}")


main()
