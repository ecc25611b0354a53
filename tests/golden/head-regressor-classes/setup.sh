cp "$GOLDEN_CASES"/fixtures/targets.h5ad .
