cp "$GOLDEN_CASES"/fixtures/dangling.h5ad .
