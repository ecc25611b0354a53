cp "$GOLDEN_CASES"/fixtures/survival.csv .
sed -n '1p;3p' survival.csv > one.csv
