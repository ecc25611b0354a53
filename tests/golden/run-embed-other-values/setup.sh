cp "$GOLDEN_CASES"/fixtures/values.h5ad .
cp "$GOLDEN_CASES"/fixtures/changed.h5ad .
