#!/usr/bin/env bash
# The pages in a real browser, 400, 760 and 1200 pixels wide, light and dark: reports of
# runs that go on, ended, were interrupted, failed or killed, with few and many
# classes and with long names; a comparison's picture; the page of a picture.
source "$(dirname "$0")/common.sh"
check=$tests/programs/check_pages.py
python3 -c "import sys; sys.path.insert(0, '$tests/programs'); import browser
sys.exit(browser.find() is None)" || { skip "no Chromium (Debian: chromium)"; exit 77; }

pages() {
    python3 "$check" "$@" >found || fail "$(<found)"
    ok "$(<found): $what"
}

# ---- What a run says while it goes on ----

# reports FOLDER WORDS: whether its report is there and says this.
reports() { grep -qF -- "$2" "$1/report.html" 2>/dev/null; }
# says FOLDER WORDS...: its report must say each of these. A page is too long to be shown.
says() {
    local folder=$1 words
    shift
    for words in "$@"; do
        reports "$folder" "$words" || fail "$folder/report.html does not say '$words': $(grep -A5 'class="state' "$folder/report.html")"
    done
}

long=("$train" "$small" --data "synthetic:classes=10,size=14,channels=3,train=100000,val=100" --batch 2 --epochs 9)
env --default-signal=INT "${long[@]}" --out going >out 2>err </dev/null &
pid=$!
until reports going ' of 9, step '; do
    kill -0 $pid 2>/dev/null || fail "the run has ended: $(<err)"
    sleep 0.1
done
says going '<meta http-equiv="refresh"' 'No epoch is complete yet; training loss ' ' left.' 'Training loss by step'
cp going/report.html running.html
what="a run in its first epoch" pages running.html
python3 "$tests/programs/watch_page.py" going/report.html $pid >found || fail "$(<found)"
code=0
wait $pid || code=$?
[[ $code == 130 ]] || fail "exit code $code after Ctrl-C: $(<err)"
ok "its page $(<found)"
says going '<b>Interrupted</b>' '<span>--resume</span>'
what="an interrupted run" pages going/report.html

"${long[@]}" --out killed >out 2>err </dev/null &
pid=$!
until reports killed ' of 9, step '; do
    kill -0 $pid 2>/dev/null || fail "the run has ended: $(<err)"
    sleep 0.1
done
kill -KILL $pid
wait $pid 2>/dev/null || true
says killed '<b>Running</b>' "written on " 'the run was killed'
ok "a killed run's page tells when it was written, and what that means"

run "$train" "$small" --set net.learning_rate=1e6 --set net.optimizer=sgd --out failed
[[ $code == 1 ]] || fail "exit code $code, expected 1: $(<err)"
says failed '<b>Failed</b>: epoch 1 of 3' 'not finite'
! reports failed '"refresh"' || fail "a failed run's page reloads itself"
what="a run that failed" pages failed/report.html

# ---- Classes, names, pictures that are bad ----

finished=()
for classes in 2 10 11 16 17 40 41 100; do
    succeed "$train" "$small" --data "synthetic:classes=$classes,size=14,channels=3,train=200,val=2000" \
        --epochs 1 --out "of$classes"
    finished+=("of$classes/report.html")
done
says of2 '<b>Finished</b>'
! reports of2 '"refresh"' || fail "a finished run's page reloads itself"
what="2 to 100 classes" pages "${finished[@]}"

name=$(printf 'aClassOfALongNameWithoutASpace%.0s' 1 2 3)
for classes in 2 10 16 40; do
    for ((i = 0; i < classes; i++)); do
        for split in train val; do
            folder="long$classes/$split/$i $name"
            mkdir -p "$folder"
            cp "$tests/images/shirt.png" "$folder/$(printf 'picture%.0s' {1..20}).png"
            cp "$tests/images/pullover.png" "$folder/p.png"
        done
    done
    echo "no picture" >"long$classes/train/0 $name/$(printf 'bad%.0s' {1..50}).jpg"
    succeed "$train" "$small" --data "long$classes" --epochs 1 --batch 4 --out "names$classes"
    says "names$classes" '<b>1 file or folder</b> could not be used' '<h2>Problems'
done
what="long names, and a bad picture" pages names{2,10,16,40}/report.html

# ---- Other pages ----

succeed "$infer" names16/model.safetensors "long16/val/0 $name/p.png" --picture picture.html
succeed "$infer" of10/model.safetensors "$tests/images/shirt.png" --picture plain.html
what="of a picture" pages picture.html plain.html

sed 's/^epochs=3/epochs=2/' "$small" >net.cfg
succeed "$build/fcnn-compare" net.cfg --activation srelu,relu --domain frequency,space --out compared
what="a comparison's picture" pages compared/compare.svg
