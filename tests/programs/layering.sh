#!/usr/bin/env bash
# Arrows point down only: framework/ includes nothing from the folders above it,
# CUDA is named nowhere but in cuda/ and the one list of backends, and the source
# files are formatted as .clang-format says.
source "$(dirname "$0")/common.sh"
cd "$source_root"

includes() { grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$@"; }

above=$(find layers data cpu cuda train -name '*.h' -printf '%f\n' | sort -u | paste -sd'|')
[[ $above ]] || fail "no headers found outside framework/"
! includes framework/*.[ch] | grep -E "\"([^\"]*/)?(${above//./\\.})\"" ||
    fail "framework/ includes a header of a folder above it"
! includes framework/*.[ch] | grep -E '"[^"]*(layers|data|cpu|cuda|train|tests)/' ||
    fail "framework/ includes by a path into a folder above it"
ok "framework/ includes nothing of layers/, data/, cpu/, cuda/ or train/"

lower=$(find train layers data cpu -name '*.h' -printf '%p\n')
for folder in layers data cpu cuda; do
    for header in $lower; do
        owner=${header%%/*}
        [[ $owner == "$folder" ]] && continue
        ! includes $(find "$folder" -name '*.[ch]' -o -name '*.cu*') /dev/null |
            grep -E "\"([^\"]*/)?$(basename "$header")\"" ||
            fail "$folder/ includes $header"
    done
done
ok "layers/, data/, cpu/ and cuda/ include nothing of each other or of train/"

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
    $(find framework layers data cpu train -name '*.[ch]' ! -path framework/backend.c) ||
    fail "CUDA is asked for outside cuda/ and framework/backend.c"
ok "no #ifdef for CUDA outside cuda/ and framework/backend.c"

! grep -nE -- '-ffast-math|-Ofast|-funsafe-math|use_fast_math' CMakeLists.txt tests/CMakeLists.txt ||
    fail "fast-math"
ok "no fast-math"

if command -v clang-format >/dev/null; then
    files=$(find framework layers data cpu cuda train tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cpp')
    # shellcheck disable=SC2086
    clang-format --dry-run -Werror $files || fail "clang-format -i would change these files"
    ok "$(wc -w <<<"$files") files are formatted"
else
    skip "formatting: clang-format is not installed"
fi
