cp "$GOLDEN_CASES"/fixtures/features-twice.h5ad .
