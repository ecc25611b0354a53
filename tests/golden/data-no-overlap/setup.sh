cp "$GOLDEN_CASES"/fixtures/apart.h5mu .
