cp "$GOLDEN_CASES"/fixtures/values.h5ad .
head -c 19000 values.h5ad > cells.h5ad
