cp "$GOLDEN_CASES"/fixtures/lzf.h5ad .
