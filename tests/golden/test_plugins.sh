# For cases about plugins: . "$GOLDEN_CASES/test_plugins.sh" puts those of tests/plugins first.
test_plugins=$(dirname "$(readlink -f "$(command -v stele)")")/tests/plugins
export STELE_PLUGIN_PATH="$test_plugins"
