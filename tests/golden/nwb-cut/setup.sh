head -c 3000 "$GOLDEN_CASES/../unit/fixtures/small.nwb" > x.nwb
