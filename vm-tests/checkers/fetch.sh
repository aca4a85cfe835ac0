#!/usr/bin/env bash
# Fetches what others wrote to test kernels, as a tree of files for a guest, without installing anything. Does nothing
# where it is there already, unharmed.
# usage: fetch.sh stress-ng DEST         Debian's stress-ng with its loader and libraries
#        fetch.sh selftests SUITE DEST   the kernel's own tests of Landlock and seccomp, from the source of that suite's
#                                        kernel, built with the headers and libcap of the suite
#        leaves DEST/root (the tree), DEST/version and DEST/sha256
# needs: a Debian system on amd64 with apt-get, dpkg-deb and debian-archive-keyring; for selftests a C compiler with a
#        static libc; no root.
set -euo pipefail
fail() { echo "fetch-checkers: $*" >&2; exit 1; }
# shellcheck source=scripts/apt-apart.sh
. "$(dirname "$0")/../../scripts/apt-apart.sh"

# One stress-ng for all kernels, so that they can be compared.
stress_ng_suite=trixie
# The package and what its program is linked to.
stress_ng_packages=(stress-ng libacl1 libapparmor1 libbsd0 libc6 libcrypt1 libdrm2 libegl1 libexpat1 libgbm1 libgcc-s1
  libgles2 libglvnd0 libgmp10 libipsec-mb2 libjpeg62-turbo libjudydebian1 libkmod2 libmd0 libmpfr6 libsctp1 libssl3t64
  libstdc++6 libxxhash0 libzstd1 zlib1g)

case ${1-} in
  stress-ng) [ $# = 2 ] && suite=$stress_ng_suite dest=$2 ;;
  selftests) [ $# = 3 ] && suite=${2%-security} dest=$3 ;;
esac
[ -n "${dest-}" ] || fail "usage: fetch.sh stress-ng DEST | selftests SUITE DEST"
if (cd "$dest" && sha256sum --status --check sha256) 2>/dev/null; then exit 0; fi

work=$(mktemp -d)
mkdir -p "$(dirname "$dest")"
# Made beside the destination and moved at the end: half of it is never taken for the whole.
made=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$made"' EXIT

fetch_stress_ng() {
  apt_apart --ended "$work/apt" "$suite"
  apt_fetch "$work/debs" "${stress_ng_packages[@]}"
  local package library loader=$work/unpacked/usr/lib64/ld-linux-x86-64.so.2
  local libraries=$work/unpacked/usr/lib/x86_64-linux-gnu program=$work/unpacked/usr/bin/stress-ng
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
  mkdir -p "$made"/root/{checkers,lib/x86_64-linux-gnu,lib64}
  cp "$program" "$made/root/checkers/stress-ng"
  cp -L "$loader" "$made/root/lib64/"
  # Those it is linked to, by the loader's own account; a link becomes the file it means.
  "$loader" --library-path "$libraries" --list "$program" > "$work/list" || fail "a library of stress-ng is missing"
  for library in $(sed -n "s|.* => \($libraries/[^ ]*\) .*|\1|p" "$work/list"); do
    [ "${library##*/}" = "${loader##*/}" ] || cp -L "$library" "$made/root/lib/x86_64-linux-gnu/"
  done
  "$loader" --library-path "$libraries" "$program" --version > "$made/version"
}

fetch_selftests() {
  apt_apart --ended "$work/apt" "$suite"
  local source tests=tools/testing/selftests include library
  source=$(apt-cache "${apt_options[@]}" depends linux-source | sed -n 's/^ *Depends: \(linux-source-[0-9.]*\)$/\1/p')
  [ -n "$source" ] || fail "linux-source of $suite names no source"
  apt_fetch "$work/debs" "$source" linux-libc-dev libcap-dev
  dpkg-deb --fsys-tarfile "$work"/debs/"$source"_*.deb | tar -xO "./usr/src/$source.tar.xz" |
    tar -xJ -C "$work" --wildcards "$source/$tests/kselftest*.h" "$source/$tests/clone3" "$source/$tests/seccomp" \
      "$source/$tests/landlock*" 2> "$work/tar" || grep -q 'landlock.*Not found' "$work/tar" ||
    fail "$source: $(cat "$work/tar")"
  for package in "$work"/debs/{linux-libc-dev,libcap-dev}_*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
  include=$work/unpacked/usr/include library=$work/unpacked/usr/lib/x86_64-linux-gnu
  local program name to
  for program in "$work/$source/$tests"/{landlock/*,seccomp/seccomp_bpf}.c; do
    name=$(basename "$program" .c) to=$made/root/checkers/$(basename "$(dirname "$program")")
    # Measures and proves nothing.
    if [ ! -f "$program" ] || [ "$name" = fs_bench ]; then continue; fi
    mkdir -p "$to"
    # Warnings are for those who wrote it; -static: the guest has no libraries.
    (cd "$(dirname "$program")" && cc -static -O2 -w -D_GNU_SOURCE -isystem "$include" \
      -isystem "$include/x86_64-linux-gnu" -I.. -o "$to/$name" "$name.c" -L"$library" -lcap -lpthread) ||
      fail "$program does not build"
    strip "$to/$name"
  done
  dpkg-deb --field "$work"/debs/"$source"_*.deb Package Version | sed 's/^[^ ]* //' | paste -sd' ' > "$made/version"
}

case $1 in
  stress-ng) fetch_stress_ng ;;
  selftests) fetch_selftests ;;
esac
chmod 755 "$made"
(cd "$made" && find . -type f ! -name sha256 -print0 | sort -z | xargs -0 sha256sum > sha256)
rm -rf "$dest"
mv "$made" "$dest"
cat "$dest/version"
