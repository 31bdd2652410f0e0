#!/usr/bin/env bash
# cuda.sh BUILD SUITE...: the suites of operations and whole networks on a GPU,
# backend against the same references as the CPU; skipped, with the number of
# their cases, where no GPU is present.
source "$(dirname "$0")/common.sh"
shift
export FCNN_TEST_DEVICE=cuda

count_cases() { sed -nE 's/.*[,:] ([0-9]+) cases?.*/\1/p' out | tail -n 1; }

cases=0 skipped=0
for suite in "$@"; do
    run "$build/tests/test_$suite"
    found=$(count_cases)
    case $code in
    0)
        cases=$((cases + ${found:-0}))
        ok "$suite${found:+: $found cases}"
        ;;
    77)
        skipped=$((skipped + 1)) cases=$((cases + ${found:-0}))
        reason=$(sed -nE 's/^skipped: (.*)/\1/p' out | sed -E 's/, [0-9]+ cases?$//')
        ;;
    *)
        cat out err >&2
        fail "$suite ended with code $code"
        ;;
    esac
done
if ((skipped)); then
    echo "skipped: $reason: $skipped suites, with $cases cases of single operations"
    exit 77
fi
ok "$# suites, with $cases cases of single operations"
