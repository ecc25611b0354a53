cp "$GOLDEN_CASES"/fixtures/fails.yaml spec.yaml
