cp "$GOLDEN_CASES"/fixtures/no-rows.h5ad .
