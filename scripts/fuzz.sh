#!/bin/sh
# Fuzzes one target, or all, for some seconds each. See fuzz/README.md.
#   scripts/fuzz.sh [target|all] [seconds]
set -eu
cd "$(dirname "$0")/.."

if ! cargo +nightly fuzz --version > /dev/null 2>&1; then
    echo "fuzz.sh: needs a nightly compiler and cargo-fuzz: \`rustup toolchain install nightly\`," >&2
    echo "         \`cargo install cargo-fuzz --locked\`. Without them the corpus can be replayed:" >&2
    echo "         \`cargo test -p cofferdam-fuzz-targets\`" >&2
    exit 1
fi

wanted=${1:-all}
seconds=${2:-60}
if [ "$wanted" = all ]; then targets=$(ls fuzz/corpus); else targets=$wanted; fi

# Some targets write files: in memory they are a hundred times as fast, and no disk wears out.
if [ -d /dev/shm ] && [ -w /dev/shm ]; then TMPDIR=$(mktemp -d /dev/shm/cofferdam-fuzz.XXXXXX); else TMPDIR=$(mktemp -d); fi
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 1' INT TERM

failed=
for target in $targets; do
    if [ ! -d "fuzz/corpus/$target" ]; then
        echo "fuzz.sh: no target $target; there are:" $(ls fuzz/corpus) >&2
        exit 1
    fi
    # Inputs longer than this find nothing that shorter ones do not, and are slower.
    longest=4096
    # A server on a thread of its own keeps what it allocates from one input to the next: that is no leak.
    leaks=1
    case $target in
        policy) longest=16384 ;;
        rpc | rpc_http | sessions) leaks=0 ;;
    esac
    new=fuzz/target/corpus/$target
    mkdir -p "$new"
    echo "== $target, $seconds seconds"
    # libFuzzer writes what it finds to the first folder only.
    cargo +nightly fuzz run --fuzz-dir fuzz "$target" "$new" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len="$longest" -rss_limit_mb=2048 -malloc_limit_mb=256 -timeout=20 \
        -detect_leaks="$leaks" -print_final_stats=1 || failed="$failed $target"
done

if [ -n "$failed" ]; then
    echo "fuzz.sh: claims that do not hold:$failed; the inputs are in fuzz/artifacts/" >&2
    exit 1
fi
