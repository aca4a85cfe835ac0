#!/usr/bin/env bash
# Runs Cofferdam's tests on other kernels, in virtual machines; see vm-tests/README.md.
# usage: vm-test.sh [--kernel NAME]... [--all | --checkers] [--filter TEXT] [--kvm]
# needs: a Debian system on amd64, Rust, a C compiler; QEMU and what else is missing it installs as root.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/prerequisites.sh
. scripts/prerequisites.sh

check_build_tools
command -v ldd >/dev/null || fail "no ldd, which belongs to the libc: on Debian, apt-get install libc-bin"
# Debian packages by what of them is used.
packages=()
command -v qemu-system-x86_64 >/dev/null || packages+=(qemu-system-x86)
command -v busybox >/dev/null || packages+=(busybox-static)
command -v strip >/dev/null || packages+=(binutils)
command -v curl >/dev/null || packages+=(curl)
command -v setpriv >/dev/null || packages+=(util-linux)
command -v mke2fs >/dev/null || packages+=(e2fsprogs)
command -v xz >/dev/null || packages+=(xz-utils)
[ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "missing; on Debian: apt-get install --no-install-recommends ${packages[*]}"
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi

# All of them, as the tests need them: built alone it would be linked anew with fewer features.
cargo build --quiet --locked --workspace --bins
program=$(programs_of debug)/cofferdam-vm-tests
exec "$program" "$@"
