#!/usr/bin/env bash
# Makes a small dataset and takes it from a folder of recordings to training clips; the results lie in runs/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
out=runs/demo

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

cargo build --release -q --workspace --bins --example make_dataset
target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
PATH="$target/release:$PATH"
rm -rf "$out"
mkdir -p "$out"

SVT_LOG=1 say "$target/release/examples/make_dataset" "$out/dataset" 12
say vipra data inspect "$out/dataset"
say vipra data check "$out/dataset"
say vipra data stats "$out/dataset"
say vipra data clips "$out/dataset" --config tiny --split train --run "$out/clips"
say vipra data convert "$out/dataset" "$out/videos-only" --split train --no-actions --codec h264
say vipra data check "$out/videos-only"

printf '\nLook at %s: each row is a training clip; frames past an episode'"'"'s end are dark.\n' "$out/clips/contact-sheet.png"
