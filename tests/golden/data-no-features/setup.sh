cp "$GOLDEN_CASES"/fixtures/no-features.h5ad .
