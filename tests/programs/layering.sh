#!/usr/bin/env bash
# Arrows point down only, and no file depends on itself by way of others; CUDA is
# named nowhere but in cuda/ and the one list of backends, and the source files are
# formatted as .clang-format says.
source "$(dirname "$0")/common.sh"
layering=(env PYTHONDONTWRITEBYTECODE=1 python3 "$tests/programs/layering.py")

# ---- A made-up tree, of whose faults each must be found ----
objects=made/build/CMakeFiles/x.dir
mkdir -p made/{framework,cpu} made/layers/deep $objects/{framework,layers/deep}
object() { "$(cached CMAKE_C_COMPILER)" -I made/framework -c "made/$1" -o "$objects/$1.o"; }
# expect WORDS...: the tree is refused with all of them.
expect() {
    run "${layering[@]}" made made/build
    [[ $code == 1 ]] || fail "expected exit code 1, got $code: $(cat out err)"
    has err "$@"
}

echo 'int one(void);' >made/framework/one.h
echo 'int two(void);' >made/layers/deep/two.h
printf '#include "one.h"\nint two(void);\nint one(void) { return two(); }\n' >made/framework/one.c
printf '#include "one.h"\n#include "two.h"\nint two(void) { return 2; }\n' >made/layers/deep/two.c
object framework/one.c
object layers/deep/two.c
succeed "${layering[@]}" made made/build
echo 'int back(void) { return one(); }' >>made/layers/deep/two.c
echo 'int two(void);' >>made/framework/one.h
object layers/deep/two.c
expect "a circle: framework/one.c -> layers/deep/two.c -> framework/one.c" \
    "framework/one.h declares two, which layers/deep/two.c defines" \
    "framework/one.c calls two of layers/deep/two.c" "layers/deep/two.c calls one of framework/one.c"
echo '#include "three.h"' >>made/framework/one.h
echo '#include "framework/four.h"' >made/framework/three.h
echo '#include "one.h"' >made/framework/four.h
echo '#include "../layers/deep/two.c"' >made/cpu/kernel.c
expect "framework/one.h:3 includes framework/three.h" "framework/three.h:1 includes framework/four.h" \
    "framework/four.h:1 includes framework/one.h" "cpu/ may not include from layers/"
ok "faults of a made-up tree are found"

# ---- This one ----
cd "$source_root"
"${layering[@]}" . "$build" || fail "the files depend on each other in other ways than downwards"
ok "no file includes upwards, no circle of includes or of calls"

includes() { grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$@"; }

# Rooms of train/, each with those that it may not include.
while read -r room others; do
    ! includes train/"$room"/*.[ch] | grep -E "\"train/(${others// /|})/" ||
        fail "train/$room/ includes one of: $others"
done <<'ROOMS'
run report compare bench
report compare bench
compare bench
bench report compare
ROOMS
! includes train/{csv,options,progress,sample,table}.[ch] | grep -E '"train/' ||
    fail "what the programs share includes one of the rooms of train/"
ok "arrows between the rooms of train/ form no circle"

! grep -nE '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif).*CUDA' \
    $(find framework layers data cpu inference include onnx ranks training train -name '*.[ch]' ! -path framework/backend.c) ||
    fail "CUDA is asked for outside cuda/ and framework/backend.c"
ok "no #ifdef for CUDA outside cuda/ and framework/backend.c"

! grep -nE -- '-ffast-math|-Ofast|-funsafe-math|use_fast_math' CMakeLists.txt tests/CMakeLists.txt ||
    fail "fast-math"
ok "no fast-math"

if command -v clang-format >/dev/null; then
    files=$(find framework layers data cpu cuda inference include onnx ranks training train tests examples -name '*.[ch]' -o -name '*.cu' -o -name '*.cpp')
    # shellcheck disable=SC2086
    clang-format --dry-run -Werror $files || fail "clang-format -i would change these files"
    ok "$(wc -w <<<"$files") files are formatted"
else
    skip "formatting: clang-format is not installed"
fi
