head -c 100000 "$GOLDEN_CASES/../../configs/data/cortex-sample.h5mu" > cells.h5mu
