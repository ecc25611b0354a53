cp "$GOLDEN_CASES"/fixtures/odd.h5ad .
