#!/usr/bin/env python3
"""Make configs/data/cortex-sample.h5mu, the cells that ./bootstrap demo trains on.

    python make_sample.py snare_cortex.h5mu configs/data/cortex-sample.h5mu

The input is the SNARE-seq mouse cortex set described in configs/data/README.md. The rules look at
totals and frequencies only, never at what a model makes of the data:
  cells   of an assigned class ("Mis" is left out), with enough counts in both modalities; a fixed
          share of every class, at least MIN_PER_CLASS; classes with fewer are left out
  genes   the highest variance of log(1 + count / size), size being relative to the median cell
  peaks   seen in the largest number of cells

Needs mudata 0.3 with numpy, scipy, pandas; nothing of it is needed to build, run or test Stele.
"""

import sys

import anndata
import mudata
import numpy as np
import scipy.sparse as sp

SEED = 7
MIN_RNA, MIN_ATAC = 150, 50
N_CELLS, MIN_PER_CLASS = 820, 20
N_GENES, N_PEAKS = 1000, 4000


def choose_cells(classes, rna, atac, rng):
    total = [np.asarray(x.sum(axis=1)).ravel() for x in (rna, atac)]
    good = (classes != "Mis") & (total[0] >= MIN_RNA) & (total[1] >= MIN_ATAC)
    names, count = np.unique(classes[good], return_counts=True)
    share = N_CELLS / count.sum()
    picked = []
    for name, n in zip(names, count):
        if n >= MIN_PER_CLASS:
            take = min(n, max(MIN_PER_CLASS, round(share * n)))
            picked.append(rng.choice(np.flatnonzero(good & (classes == name)), take, replace=False))
    return np.sort(np.concatenate(picked))


def most_variable(x, n):
    size = np.asarray(x.sum(axis=1)).ravel()
    log = sp.diags(np.median(size) / size) @ x
    log.data = np.log1p(log.data)
    mean = np.asarray(log.mean(axis=0)).ravel()
    variance = np.asarray(log.multiply(log).mean(axis=0)).ravel() - mean**2
    return np.sort(np.argsort(-variance, kind="stable")[:n])


def most_frequent(x, n):
    return np.sort(np.argsort(-x.getnnz(axis=0), kind="stable")[:n])


def part(x, obs, var):
    x = sp.csr_matrix(x, dtype=np.float32)
    x.sort_indices()
    return anndata.AnnData(X=x, obs=obs[[]].copy(), var=var)


def main():
    source, target = sys.argv[1:]
    data = mudata.read_h5mu(source)
    obs = data.obs[["library", "cell_type", "cell_class"]].copy()
    rna, atac = data.mod["rna"], data.mod["atac"]
    cells = choose_cells(obs["cell_class"].astype(str).to_numpy(), rna.X, atac.X,
                         np.random.default_rng(SEED))
    genes = most_variable(rna.X[cells], N_GENES)
    peaks = most_frequent(atac.X[cells], N_PEAKS)
    obs = obs.iloc[cells].copy()
    for name in obs:
        obs[name] = obs[name].astype("category").cat.remove_unused_categories()
    small = mudata.MuData({
        "rna": part(rna.X[cells][:, genes], obs, rna.var.iloc[genes][[]]),
        "atac": part(atac.X[cells][:, peaks], obs, atac.var.iloc[peaks][["chrom", "start", "end"]]),
    })
    for name in obs:
        small.obs[name] = obs[name]
    small.write_h5mu(target, compression="gzip", compression_opts=9, shuffle=True)
    print(small)
    print(obs["cell_class"].value_counts().to_string())
    for name, mod in small.mod.items():
        total = np.asarray(mod.X.sum(axis=1)).ravel()
        print(f"{name}: {mod.X.nnz} stored, median {np.median(total):.0f} counts a cell, "
              f"fewest {total.min():.0f}")


if __name__ == "__main__":
    main()
