cp "$GOLDEN_CASES"/fixtures/values.h5ad .
command -v flock >/dev/null || { echo "no flock here"; exit 77; }
