cp "$GOLDEN_CASES"/fixtures/survival.csv .
awk -F, -v OFS=, 'NR == 4 { $5 = -10 } NR == 6 { $6 = 2 } { print }' survival.csv > new.csv
