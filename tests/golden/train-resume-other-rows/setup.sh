cp "$GOLDEN_CASES"/fixtures/joint.h5mu .
cp "$GOLDEN_CASES"/fixtures/apart.h5mu .
