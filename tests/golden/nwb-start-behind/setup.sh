cp "$GOLDEN_CASES/../unit/fixtures/small.nwb" x.nwb
