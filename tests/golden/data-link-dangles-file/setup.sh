cp "$GOLDEN_CASES"/fixtures/dangling-file.h5ad .
