#!/usr/bin/env bash
# The whole pipeline at the embedded tabletop: from videos without actions to a policy and how often it succeeds. Results lie in
# runs/demo. With the argument `quick` too little of everything, in a few minutes, in runs/demo-quick.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=tiny out=runs/demo
if [ "${1:-}" = quick ]; then
  preset=demo-quick out=runs/demo-quick
fi

cargo build --release --workspace
target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
PATH="$target/release:$PATH"

printf '\n\033[1m$ vipra run %s --run %s\033[0m\n' "$preset" "$out"
vipra run "$preset" --run "$out"

echo
if [ "$preset" = demo-quick ]; then
  echo "This was a first look: so little was learned that its numbers mean nothing. The demo itself is: make demo"
fi
echo "How each stage went: $out/summary.json; what the policy did: $out/evaluation/report.html"
echo "Next: $target/release/vipra serve $out/policy    or with videos and a robot of your own: vipra run simpler --data DATASET --run runs/mine"
