cp "$GOLDEN_CASES"/fixtures/values.h5ad .
mkdir out && echo half > out/spec.yaml.tmp
