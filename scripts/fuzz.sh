#!/usr/bin/env bash
# Runs every fuzz target for a number of seconds (60 by default). Needs cargo-fuzz, which it installs.
set -euo pipefail
cd "$(dirname "$0")/.."
secs=${1:-60}
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# Sanitizers are not stable; the stable compiler has them behind this variable.
export RUSTC_BOOTSTRAP=1
for target in info template rows message weights; do
  corpus=("fuzz/corpus/$target")
  mkdir -p "${corpus[@]}"
  # What is found goes to the first folder; the others are only read.
  if [ "$target" = weights ]; then corpus+=(crates/vipra-nn/tests/fixtures/pytorch); fi
  cargo fuzz run "$target" "${corpus[@]}" -- -max_total_time="$secs" -print_final_stats=1
done
