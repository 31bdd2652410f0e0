#!/usr/bin/env bash
# A program of ten lines, built against an installed copy in the four ways that a
# user may: find_package with the static and the shared library, pkg-config with
# either; each counts the parameters of a cfg. And an installed example, as its first lines say.
source "$(dirname "$0")/common.sh"
compiler=$(cached CMAKE_C_COMPILER)

cmake --install "$build" --prefix "$work/prefix" >log 2>&1 || fail "cmake --install: $(cat log)"
libraries=$(dirname "$(find prefix -name libfcnn.a)")
for file in "$libraries/libfcnn.a" "$libraries/libfcnn.so" prefix/include/fcnn/fcnn.h \
    prefix/bin/fcnn-{train,infer,info,compare,convert,bench} \
    prefix/share/fcnn/{models/lenet.cfg,examples/predict.c}; do
    [[ -e $file ]] || fail "not installed: $file"
done
run prefix/bin/fcnn-info prefix/share/fcnn/models/lenet.cfg --channels 1 --classes 10
wanted=$(awk '$1 == "total" { print $2 }' out)
[[ $code == 0 && $wanted -gt 400000 ]] || fail "the installed fcnn-info: $(cat err)"
ok "the installed fcnn-info counts $wanted parameters in the installed lenet.cfg"

cp "$tests/programs/count.c" .
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(count LANGUAGES C)
find_package(fcnn REQUIRED)
add_executable(count_static count.c)
target_link_libraries(count_static fcnn::fcnn)
add_executable(count_shared count.c)
target_link_libraries(count_shared fcnn::fcnn_shared)
CMAKE
{
    cmake -S . -B made -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_COMPILER="$compiler" &&
        cmake --build made
} >log 2>&1 || fail "find_package(fcnn): $(cat log)"

export PKG_CONFIG_PATH=$work/$libraries/pkgconfig
flags=(-Wall -Wextra -Werror)
if sanitized; then flags+=(-fsanitize=address,undefined); fi
# shellcheck disable=SC2046
{
    "$compiler" "${flags[@]}" count.c -o pkg_shared $(pkg-config --cflags --libs fcnn) \
        "-Wl,-rpath,$work/$libraries" &&
        "$compiler" "${flags[@]}" count.c -o pkg_static \
            $(pkg-config --static --cflags --libs fcnn | sed 's/-lfcnn\b/-l:libfcnn.a/')
} >log 2>&1 || fail "pkg-config: $(cat log)"

for program in made/count_static made/count_shared ./pkg_static ./pkg_shared; do
    succeed $program prefix/share/fcnn/models/lenet.cfg
    [[ $(<out) == "$wanted parameters" ]] || fail "$program: $(cat out)"
    linked=$(ldd $program | grep -c libfcnn || true)
    if [[ $program == *shared ]]; then
        [[ $linked == 1 ]] || fail "$program does not load libfcnn.so"
    else
        [[ $linked == 0 ]] || fail "$program is not static: $(ldd $program)"
    fi
    refuse_line=$($program nowhere.cfg 2>&1 >/dev/null) && fail "$program: no error for a missing cfg"
    [[ $refuse_line == "nowhere.cfg: "* ]] || fail "$program: $refuse_line"
    ok "$(basename $program) runs"
done

succeed prefix/bin/fcnn-train prefix/share/fcnn/models/lenet.cfg --limit 64 --epochs 1 --quiet --out run
# shellcheck disable=SC2046
"$compiler" "${flags[@]}" prefix/share/fcnn/examples/predict.c $(pkg-config --cflags --libs fcnn) \
    "-Wl,-rpath,$work/$libraries" -o predict >log 2>&1 || fail "the example predict.c: $(cat log)"
succeed ./predict run/model.safetensors "$tests/images/shirt.png"
[[ $(wc -l <out) == 12 ]] || fail "the example predict: $(<out)"
ok "the installed example predict.c is built by pkg-config and classifies a picture"
