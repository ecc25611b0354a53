cp "$GOLDEN_CASES"/fixtures/damaged.h5ad .
