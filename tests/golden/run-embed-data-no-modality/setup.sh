cp "$GOLDEN_CASES"/fixtures/joint.h5mu .
cp "$GOLDEN_CASES"/../unit/fixtures/legacy.h5ad broken.h5ad
