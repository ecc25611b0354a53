cp "$GOLDEN_CASES"/fixtures/survival.csv .
