cp "$GOLDEN_CASES"/fixtures/joint.h5mu .
cp "$GOLDEN_CASES"/fixtures/values.h5ad .
