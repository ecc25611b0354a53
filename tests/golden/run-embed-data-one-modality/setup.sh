cp "$GOLDEN_CASES"/fixtures/joint.h5mu "$GOLDEN_CASES"/fixtures/single.h5mu .
