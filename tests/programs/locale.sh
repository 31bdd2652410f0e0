#!/usr/bin/env bash
# A program that uses the library has its user's locale: decimal commas, other letters and another
# order. Numbers in cfgs, models and messages, and what files are read, stay those of the C locale.
source "$(dirname "$0")/common.sh"
command -v localedef >/dev/null && [[ -e /usr/share/i18n/locales/de_DE ]] ||
    { skip "no localedef, or no sources of locales (Debian: locales)"; exit 77; }
compiler=$(cached CMAKE_C_COMPILER)

export LOCPATH=$work/locales
printf 'leak:argz\n' >suppressions # the C library keeps what it has read of LOCPATH
export LSAN_OPTIONS=suppressions=$work/suppressions:print_suppressions=0
mkdir locales
# de_DE has a comma; in tr_TR a small i is no small I; ps_AF has a point of two bytes; the last one
# has one byte a character, of which some above 127 are letters or spaces.
define() { localedef -i "$1" -f "$2" "locales/$1.$2" >log 2>&1 || [[ -d locales/$1.$2 ]]; }
locales=()
for locale in de_DE.UTF-8 tr_TR.UTF-8 ps_AF.UTF-8 fr_FR.ISO-8859-1; do
    if define "${locale%%.*}" "${locale#*.}"; then locales+=("$locale"); fi
done
[[ ${locales[0]} == de_DE.UTF-8 ]] || fail "localedef: $(cat log)"

flags=(-Wall -Wextra -Werror -I "$source_root/include" -I "$source_root/framework"
    -I "$source_root/data")
if sanitized; then flags+=(-fsanitize=address,undefined); fi
"$compiler" "${flags[@]}" "$tests/programs/in_locale.c" -o in_locale -L"$build" -lfcnn \
    "-Wl,-rpath,$build" 2>log || fail "$(cat log)"

# The endings of names are of either case, and a name's bytes are those of a space elsewhere.
PYTHONDONTWRITEBYTECODE=1 python3 "$tests/programs/pictures.py" images 4 "$(printf 'a\xc2\xa0')" B a
mv images/B/0.png images/B/0.PNG
cp "$tests/images/"*.gif images/a/I.GIF 2>/dev/null || cp images/B/1.png images/a/I.PNG
cfg=$work/a.cfg
cat >"$cfg" <<'END'
[net]
learning_rate=0.001
val_fraction=0.25
augment_shift=1.5
weight_decay=1e-3
bands=0.75:

[fft]
size=9
placement=crop
crop=0.875

[conv]
filters=4
size=3
norm=batch
activation=srelu

[ifft]

[dense]
units=classes

[softmax]
END

succeed ./in_locale process C "$cfg" C.safetensors images
mv out C.out
[[ $(<err) == 0.25 ]] || fail "$(cat err)"
for locale in "${locales[@]}"; do
    for scope in process thread; do
        succeed ./in_locale $scope "$locale" "$cfg" model.safetensors images
        [[ $(<err) != 0.25 ]] || fail "$locale has no decimal comma: $(cat err)"
        cmp out C.out || fail "$scope in $locale: $(diff out C.out)"
        cmp model.safetensors C.safetensors || fail "$scope in $locale saves another model"
        ok "$locale of the $scope: the same model, texts and messages"
    done
done

# Only one file knows how numbers are read and written, and nothing asks the locale for letters.
cd "$source_root"
! grep -nE '\b(strto(d|f|ld)|atof|[a-z]*scanf|is(space|alpha|digit|alnum|upper|lower|punct|print|xdigit)|to(upper|lower)|strn?casecmp|strcoll|setlocale)(_l)? ?\(' \
    -r framework layers data cpu cuda onnx --include=*.[ch] --include=*.cu |
    grep -v '^framework/number\.c:' || fail "these depend on the locale: see framework/number.h, text.h"
! grep -nE '\b(strto(d|f|ld)|setlocale) ?\(' -r train --include=*.c || fail "see framework/number.h"
ok "no call depends on the locale but those of framework/number.c"
