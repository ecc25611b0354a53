sed 's/odd\x00/\xf6dd\x00/g' "$GOLDEN_CASES"/fixtures/values.h5ad > values.h5ad
