#!/bin/sh
# Trains the spec with the plugin for a while: the loss has to fall. test.sh STELE SPEC, with STELE_PLUGIN_PATH set.
set -eu
stele=$1 spec=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$stele" train "$spec" --run "$scratch/run" --quiet --set train.epochs=5
losses=$(sed -n 's/.*"train": *{"loss": *\([-+.0-9e]*\).*/\1/p' "$scratch/run/metrics.jsonl")
echo "loss by epoch:" $losses
echo "$losses" | awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(NR == 5 && last < first) }'
