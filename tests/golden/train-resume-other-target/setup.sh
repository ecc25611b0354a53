cp "$GOLDEN_CASES"/fixtures/values.h5ad .
cp "$GOLDEN_CASES"/fixtures/recoded.h5ad .
