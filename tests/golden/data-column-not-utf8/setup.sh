cp "$GOLDEN_CASES"/fixtures/latin1.h5ad .
