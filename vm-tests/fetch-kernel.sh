#!/usr/bin/env bash
# Fetches the kernel of a Debian suite into a directory of its own, without installing it. Does nothing where it
# is there already, unharmed.
# usage: fetch-kernel.sh SUITE RELEASE DEST     RELEASE is how its version must begin: 6.1.
#        leaves DEST/vmlinuz, DEST/release (as uname -r says it), DEST/modules and DEST/sha256
# needs: a Debian system on amd64 with apt-get, dpkg-deb, xz and debian-archive-keyring; no root.
set -euo pipefail
[ $# = 3 ] || { echo "usage: fetch-kernel.sh SUITE RELEASE DEST" >&2; exit 2; }
suite=$1 wanted=$2 dest=$3
meta=linux-image-cloud-amd64

fail() { echo "fetch-kernel: $suite: $*" >&2; exit 1; }
# shellcheck source=scripts/apt-apart.sh
. "$(dirname "$0")/../scripts/apt-apart.sh"

is_whole() { (cd "$1" && [ -d modules ] && sha256sum --status --check sha256) 2>/dev/null; }

# Modules of the kernel that guests load, in the order in which they need each other. One that is built in, or that
# there is none of, is left out.
modules=(drivers/block/loop fs/quota/quota_tree fs/quota/quota_v2)

if is_whole "$dest"; then
  release=$(cat "$dest/release")
  [[ $release == "$wanted"* ]] || fail "$dest holds Linux $release, not $wanted: remove it"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
apt_apart --ended "$work/apt" "$suite"

# The meta package depends on the current image; from 6.19 on that is one too, for linux-binary-*.
image=$(apt-cache "${apt_options[@]}" depends $meta | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
[ -n "$image" ] || fail "$meta names no kernel"
release=${image#linux-image-}
[[ $release == "$wanted"* ]] || fail "it has Linux $release now, not $wanted: change vm-tests/kernels.toml"
if apt-cache "${apt_options[@]}" show "linux-binary-$release" >/dev/null 2>&1; then image=linux-binary-$release; fi
apt_fetch "$work/debs" "$image"
dpkg-deb -x "$work"/debs/*.deb "$work/unpacked"
kernel=$(find "$work/unpacked" -type f -name 'vmlinuz*' | head -1)
[ -n "$kernel" ] || fail "$image holds no kernel"

# Made beside the destination and moved at the end: half a kernel is never taken for a whole one.
mkdir -p "$(dirname "$dest")"
made=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$made"' EXIT
cp "$kernel" "$made/vmlinuz"
echo "$release" > "$made/release"
mkdir "$made/modules"
folder=$(find "$work/unpacked" -type d -path "*/lib/modules/$release/kernel" | head -1)
for number in "${!modules[@]}"; do
  module=$folder/${modules[$number]}.ko place=$made/modules/$number-${modules[$number]##*/}.ko
  if [ -f "$module" ]; then cp "$module" "$place"; fi
  if [ -f "$module.xz" ]; then xz --decompress --stdout "$module.xz" > "$place"; fi
done
(cd "$made" && find vmlinuz release modules -type f -print0 | sort -z | xargs -0 sha256sum > sha256)
rm -rf "$dest"
mv "$made" "$dest"
echo "$suite: Linux $release"
