#!/usr/bin/env bash
# Makes this machine able to build and test Asof. Looks for each tool first, so a second run changes nothing
# and takes a moment. On Debian and Ubuntu it installs what is missing; elsewhere it says what to install.
#
# What the build needs, and why:
#   Rust           the toolchain in Cargo.toml's rust-version or newer
#   C++ compiler   RocksDB is C++ and compiled with the crate; SQLite and zstd are C
#   libclang       RocksDB's Rust binding is generated from its header
#   Python 3 venv  for the tests that read our files from Python, and for `make demo`
# Not needed: protoc (generated code is committed), cmake, OpenSSL, a database, a server. (Tests of the catalog in PostgreSQL
# fetch one for themselves where they can: deploy/with-postgres.sh.)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# ── Rust: never installed for you, since how to have it is a matter of taste ──
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
[ -x "$HOME/.cargo/bin/cargo" ] && ! have cargo && PATH="$HOME/.cargo/bin:$PATH"
if ! have cargo || ! have rustc; then
  fail "Rust is missing; $wanted or newer is needed." "Get it from https://rustup.rs and run this again."
fi
found=$(rustc --version | awk '{ print $2 }')
oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)
if [ "$oldest" != "$wanted" ]; then
  fail "Rust $found is too old; $wanted or newer is needed." "With rustup: rustup toolchain install $wanted && rustup default $wanted"
fi

# ── The rest ──
has_compiler() { have c++ || have g++ || have clang++; }
has_libclang() {
  # The library alone is not enough: it needs the compiler's own headers (stddef.h) beside it.
  local headers
  headers=$(compgen -G '/usr/lib/llvm*/lib/clang/*/include/stddef.h' || compgen -G '/usr/lib*/clang/*/include/stddef.h' || true)
  { have clang || [ -n "$headers" ]; } || return 1
  [ -n "${LIBCLANG_PATH:-}" ] && return 0
  compgen -G '/usr/lib/llvm*/lib/libclang*.so*' >/dev/null || compgen -G '/usr/lib*/libclang*.so*' >/dev/null ||
    compgen -G '/usr/lib/*-linux-gnu/libclang*.so*' >/dev/null ||
    compgen -G '/Library/Developer/CommandLineTools/usr/lib/libclang.dylib' >/dev/null ||
    compgen -G '/Applications/Xcode.app/Contents/Developer/Toolchains/*/usr/lib/libclang.dylib' >/dev/null
}
has_venv() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

missing=() packages=()
lacks() { # what, Debian package
  missing+=("$1")
  packages+=("$2")
}
have make || lacks 'make' make
has_compiler || lacks 'a C++ compiler' g++
has_libclang || lacks 'libclang with its headers' libclang-dev
has_venv || lacks 'Python 3 with venv and pip' python3-venv

if [ ${#missing[@]} -eq 0 ]; then
  say "all here (Rust $found)"
  exit 0
fi
list=$(printf ', %s' "${missing[@]}")
say "missing: ${list:2}"

like=$(. /etc/os-release 2>/dev/null && echo " ${ID:-} ${ID_LIKE:-} ") || like=
case "$like" in
*' debian '* | *' ubuntu '*)
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || fail "not root, and there is no sudo. As root, run: apt-get install ${packages[*]}"
    as_root=(sudo)
  fi
  say "installing ${packages[*]} with apt-get"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  say 'done'
  ;;
*)
  fail 'this system is not known here; please install what is missing, for example' \
    '  Fedora   dnf install make gcc-c++ clang-devel python3' \
    '  Arch     pacman -S make gcc clang python' \
    '  Alpine   apk add make g++ clang-dev python3' \
    '  macOS    xcode-select --install; brew install llvm python3'
  ;;
esac
