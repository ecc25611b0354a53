cp "$GOLDEN_CASES"/fixtures/values.h5ad .
