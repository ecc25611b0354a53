cp "$GOLDEN_CASES"/fixtures/twice.h5mu .
