cp "$GOLDEN_CASES"/fixtures/joint.h5mu .
cp "$GOLDEN_CASES"/fixtures/apart.h5mu .
mv apart.h5mu x.h5mu
