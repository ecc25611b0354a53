cp "$GOLDEN_CASES"/fixtures/joint.h5mu .
