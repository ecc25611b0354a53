sed "s/,mid,/,low_low,/" "$GOLDEN_CASES"/fixtures/survival.csv > survival.csv
