#!/usr/bin/env bash
# Builds and tests everything from a fresh clone: installs what is missing, builds
# with gcc, with clang, and with gcc's sanitizers, warnings being errors, builds
# the fuzz targets, which run for 15 s each, and ends with the summary of one
# ctest over all. Finished builds are reused; options go to ctest, as in:
# tests/run.sh -R resume
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$(nproc)

bash tests/packages.sh test

# AddressSanitizer keeps freed memory out of use, by default 256 MiB in every process. Fresh pages in
# its place are what the tests' time goes into where a host hands them out one by one.
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:quarantine_size_mb=16
export GOMP_SPINCOUNT=1000 # tests share the processors
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

folders=()

# configure NAME OPTION...: the folder build/NAME, to be compiled with the others.
configure() {
    local folder=build/$1
    shift
    mkdir -p "$folder"
    folders+=("$folder")
    cmake -S . -B "$folder" -G "Unix Makefiles" -DFCNN_WERROR=ON "$@" </dev/null \
        >"$folder/build.log" 2>&1 || show_failure "$folder"
}

# show_failure FOLDER: what went wrong, from the log; ends the run.
show_failure() {
    echo "$1 failed"
    grep -nE -A 12 'error|Error|warning' "$1/build.log" || tail -n 60 "$1/build.log"
    exit 1
}

# Compiles all folders at once: one make shares its processors among them to the end.
compile() {
    local started=$SECONDS folder
    printf 'building %s ' "${folders[*]}"
    printf '.PHONY: all %s\nall: %s\n%s:\n\t@$(MAKE) -C $@ all >>$@/build.log 2>&1 || { echo >$@/failed; exit 1; }\n' \
        "${folders[*]}" "${folders[*]}" "${folders[*]}" >build/test.mk
    rm -f "${folders[@]/%//failed}"
    if ! make --no-print-directory -j "$jobs" -f build/test.mk </dev/null >build/test.log 2>&1; then
        for folder in "${folders[@]}"; do
            [[ ! -e $folder/failed ]] || show_failure "$folder"
        done
        cat build/test.log
        exit 1
    fi
    echo "$((SECONDS - started)) s"
}

cuda=OFF
if nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null); then
    cuda=ON
    echo "CUDA: $nvcc, so build/test-gcc has the CUDA backend"
else
    echo "CUDA: nvcc was not found, so the CUDA backend is not built"
fi

configure test-gcc -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release -DFCNN_CUDA=$cuda \
    -DFCNN_TEST_PREFIX=gcc/
configure test-clang -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=Release -DFCNN_CUDA=OFF -DFCNN_TEST_DIFFERENCES=OFF \
    -DFCNN_TEST_PREFIX=clang/
# Checks are compiled into every access: beyond -O1 that takes three times as long. The warning
# needs ranges that are known from -O2 on, as in the first build.
# Programs at fixed addresses begin with half the page faults: the checks' tables need no relocation.
simple="-O1 -DNDEBUG -Wno-format-truncation"
configure test-sanitize -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_C_FLAGS_RELWITHDEBINFO="$simple" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$simple" \
    -DCMAKE_EXE_LINKER_FLAGS=-no-pie \
    -DFCNN_SANITIZE=ON -DFCNN_CUDA=OFF -DFCNN_TEST_DIFFERENCES=OFF -DFCNN_TEST_PREFIX=sanitize/
fuzz=
if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
    clang -fsanitize=fuzzer -x c -o /dev/null - 2>/dev/null; then
    configure fuzz -DCMAKE_C_COMPILER=clang -DFCNN_FUZZ=ON -DFCNN_CUDA=OFF
    fuzz='"../fuzz"'
else
    echo "libFuzzer: clang has none, so the readers are not fuzzed"
fi
compile

# One ctest over the builds; clang's runs the suites on the CPU alone. Of a passed test's output the
# gradient checks are shown, once, and what a fuzz target did; of a failed one everything.
mkdir -p build/test
echo 'subdirs("../test-gcc" "../test-clang" "../test-sanitize" '"$fuzz)" >build/test/CTestTestfile.cmake
readable='
    / Start +[0-9]+: / {
        id = $0; sub(/.* Start +/, "", id); sub(/:.*/, "", id)
        gradients[id] = / gcc\// && !/stand_in/
        next
    }
    /^[0-9]+: / {
        id = $1; sub(/:/, "", id)
        sub(/^[0-9]+: /, "    ")
        output[id] = output[id] $0 "\n"
        if ((gradients[id] && /^    gradient/) || / executions /) { print; fflush() }
        next
    }
    / Test +#[0-9]+: / {
        id = $0; sub(/.* Test +#/, "", id); sub(/:.*/, "", id)
        if (!/ Passed /) printf "%s", output[id]
        delete output[id]
        print; fflush()
        next
    }
    /% tests passed/ { summary = 1; print "" }
    summary { print }'
ctest --test-dir build/test --verbose --parallel "$jobs" --no-tests=error -E '^clang/(programs_|stand_in_|inject)' "$@" \
    </dev/null 2>&1 | awk "$readable"
