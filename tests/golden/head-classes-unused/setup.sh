awk -F, -v OFS=, '{ print $0, NR == 1 ? "patient" : $1 }' "$GOLDEN_CASES"/fixtures/survival.csv > survival.csv
