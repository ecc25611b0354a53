sed 's/^modalities:/&\n  b: {plugin: fails, from: X, encoder: {hidden: [4]}, decoder: {hidden: [4]}}/' \
    "$GOLDEN_CASES"/fixtures/fails.yaml >spec.yaml
