#!/usr/bin/env bash
# Installs what building needs and is missing: FFmpeg's development libraries, clang (for their bindings), pkg-config.
# With the argument `vulkan` also a Vulkan driver: Mesa's brings one that needs no GPU. With `browser` also Chromium and a font.
# Debian and Ubuntu by apt; elsewhere it says what to install.
set -euo pipefail

oldest_libavformat=59 # FFmpeg 5
missing=()
command -v pkg-config >/dev/null || missing+=(pkg-config)
# The bindings are generated with libclang, which finds its own headers through the clang package.
command -v clang >/dev/null || missing+=(clang)
compgen -G '/usr/lib/*/libclang*.so*' >/dev/null || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || missing+=(libclang-dev)
for library in libavcodec libavformat libavutil libswscale; do
  { command -v pkg-config >/dev/null && pkg-config --exists "$library"; } || missing+=("$library-dev")
done
if [ "${1:-}" = vulkan ]; then
  compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null || missing+=(mesa-vulkan-drivers)
fi
if [ "${1:-}" = browser ]; then
  # Ubuntu's package of this name only leads to its store: there, and elsewhere, a Chrome or Chromium of one's own will do.
  command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || missing+=(chromium)
  compgen -G '/usr/share/fonts/truetype/dejavu/*.ttf' >/dev/null || missing+=(fonts-dejavu-core)
fi

if ! command -v cargo >/dev/null; then
  echo "A Rust toolchain is needed (1.95 or newer): see https://rustup.rs" >&2
  exit 2
fi
check_version() {
  pkg-config --atleast-version="$oldest_libavformat" libavformat && return
  echo "FFmpeg 5 or newer is needed (libavformat $oldest_libavformat), here is libavformat $(pkg-config --modversion libavformat)" >&2
  exit 2
}
if [ ${#missing[@]} -eq 0 ]; then
  check_version
  exit 0
fi

if ! command -v apt-get >/dev/null; then
  echo "Please install, by the names that your system gives them: ${missing[*]}" >&2
  echo "(on macOS: brew install ffmpeg llvm pkg-config)" >&2
  exit 2
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "As root, please run: apt-get install ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
check_version
