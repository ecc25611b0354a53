awk -F, -v OFS=, '$13 == "valid" && !done { $6 = 2; done = 1 } { print }' "$GOLDEN_CASES"/fixtures/survival.csv > survival.csv
