cp "$GOLDEN_CASES"/fixtures/values.h5ad .
mkdir out && echo mine > out/thesis.txt
