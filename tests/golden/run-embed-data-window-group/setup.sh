cp "$GOLDEN_CASES"/fixtures/values.h5ad "$GOLDEN_CASES"/fixtures/later.h5ad .
