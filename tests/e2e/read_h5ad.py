#!/usr/bin/env python3
"""Open a written .h5ad with anndata and compare it with what test_files.c wrote.

Usage: read_h5ad.py WRITER, where WRITER FILE writes the file. Exit status 77: anndata is not there. STELE_TEST_PYTHON may
name a Python that has it.
"""
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import anndata
except ImportError:
    other = os.environ.pop("STELE_TEST_PYTHON", None)
    if other:
        os.execv(other, [other, *sys.argv])
    print("anndata is not installed: skipped")
    sys.exit(77)

warnings.simplefilter("error")  # a file that anndata finds old or odd is a failure
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "out.h5ad")
    subprocess.run([sys.argv[1], path], check=True)
    data = anndata.read_h5ad(path)
    assert data.shape == (5, 0) and data.X is None, data
    assert list(data.obs_names) == ["cell-0", "cell-1", "Zelle ä", "cell,3", "cell-4"]
    assert list(data.obs.columns) == ["batch", "type", "depth", "score", "count"]
    assert list(data.obs["batch"]) == ["a", "", "b", "a", "b"]
    assert str(data.obs["type"].dtype) == "category"
    assert list(data.obs["type"].cat.categories) == ["Oligo", "L2/3"]
    assert list(data.obs["type"].cat.codes) == [1, 0, -1, 0, 1] and not data.obs["type"].cat.ordered
    assert list(data.obs["depth"]) == [0, 2, 4, 6, 8] and data.obs["depth"].dtype == "float32"
    assert list(data.obs["score"]) == [0.5, 1.5, 2.5, 3.5, 4.5] and data.obs["score"].dtype == "float64"
    assert list(data.obs["count"]) == [0, 1, 2, 3, 2**40] and data.obs["count"].dtype == "int64"
    assert sorted(data.obsm) == ["X_stele", "X_stele_sd"]
    assert data.obsm["X_stele"].dtype == "float32"
    assert data.obsm["X_stele"].tolist() == [[2.0 * i, 2.0 * i + 1] for i in range(5)]
    assert data.obsm["X_stele_sd"].shape == (5, 1)
    assert data.uns == {"spec": "name: é\nseed: 7\n"}, data.uns
    again = os.path.join(folder, "again.h5ad")
    data.write_h5ad(again)
    assert anndata.read_h5ad(again).obs.equals(data.obs)
