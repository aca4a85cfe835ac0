#!/usr/bin/env bash
# Fetches the kernel of a Debian suite into a directory of its own, without installing it. Does nothing where it
# is there already, unharmed.
# usage: fetch-kernel.sh SUITE RELEASE DEST     RELEASE is how its version must begin: 6.1.
#        leaves DEST/vmlinuz, DEST/release (as uname -r says it) and DEST/sha256
# needs: a Debian system on amd64 with apt-get, dpkg-deb and debian-archive-keyring; no root.
# The mirror is the one that apt is configured with. apt verifies what it fetches, by lists and keys of this
# script's own: the system's sources, lists and packages stay as they are.
set -euo pipefail
[ $# = 3 ] || { echo "usage: fetch-kernel.sh SUITE RELEASE DEST" >&2; exit 2; }
suite=$1 wanted=$2 dest=$3
architecture=amd64
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
meta=linux-image-cloud-$architecture

fail() { echo "fetch-kernel: $suite: $*" >&2; exit 1; }

is_whole() { (cd "$1" && sha256sum --status --check sha256) 2>/dev/null; }

if is_whole "$dest"; then
  release=$(cat "$dest/release")
  [[ $release == "$wanted"* ]] || fail "$dest holds Linux $release, not $wanted: remove it"
  exit 0
fi
for tool in apt-get dpkg-deb; do
  command -v $tool >/dev/null || fail "$tool not found: this script needs a Debian system"
done
[ -r $keyring ] || fail "$keyring is missing: apt-get install debian-archive-keyring"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d} "$work"/var/lib/apt/lists/partial \
  "$work"/var/cache/apt/archives/partial "$work"/var/lib/dpkg "$work"/debs "$work"/unpacked
: > "$work/var/lib/dpkg/status"
# shellcheck disable=SC2016 # the parentheses are for apt-get
configured=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages')
case $suite in
  *-security) mirror=${DEBIAN_SECURITY_MIRROR:-$(grep -m 1 security <<< "$configured" || true)} ;;
  *) mirror=${DEBIAN_MIRROR:-$(grep -m 1 -v security <<< "$configured" || true)} ;;
esac
[ -n "$mirror" ] || fail "no mirror of it is configured in apt: set DEBIAN_MIRROR, or DEBIAN_SECURITY_MIRROR for" \
  "a security suite, to the address of one"
echo "deb [signed-by=$keyring] $mirror $suite main" > "$work/etc/apt/sources.list"
options=(-q -o Dir="$work" -o Dir::State::status="$work/var/lib/dpkg/status" -o Dir::Etc::Parts=/dev/null
  -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
  -o APT::Architecture=$architecture -o APT::Sandbox::User="$(id -un)")
# A suite that gets no more updates keeps its last list, whose date has passed.
apt-get "${options[@]}" -o Acquire::Check-Valid-Until=false -o APT::Update::Error-Mode=any update >/dev/null ||
  fail "its package lists cannot be had from the mirror that apt is configured with"

# The meta package depends on the current image; from 6.19 on that is one too, for linux-binary-*.
image=$(apt-cache "${options[@]}" depends $meta | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
[ -n "$image" ] || fail "$meta names no kernel"
release=${image#linux-image-}
[[ $release == "$wanted"* ]] || fail "it has Linux $release now, not $wanted: change vm-tests/kernels.toml"
if apt-cache "${options[@]}" show "linux-binary-$release" >/dev/null 2>&1; then image=linux-binary-$release; fi
(cd "$work/debs" && apt-get "${options[@]}" download "$image" >/dev/null) || fail "$image cannot be fetched"
dpkg-deb -x "$work"/debs/*.deb "$work/unpacked"
kernel=$(find "$work/unpacked" -type f -name 'vmlinuz*' | head -1)
[ -n "$kernel" ] || fail "$image holds no kernel"

# Made beside the destination and moved at the end: half a kernel is never taken for a whole one.
mkdir -p "$(dirname "$dest")"
made=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$made"' EXIT
cp "$kernel" "$made/vmlinuz"
echo "$release" > "$made/release"
(cd "$made" && sha256sum vmlinuz release > sha256)
rm -rf "$dest"
mv "$made" "$dest"
echo "$suite: Linux $release"
