#!/usr/bin/env bash
# report.html of real runs: well formed, whole in itself, and about this run.
source "$(dirname "$0")/common.sh"
check() { python3 "$tests/programs/check_report.py" "$1" >found || fail "$1 is not as it should be"; }

settings=(--data "synthetic:classes=12,size=14,channels=3,train=64,val=48" --threads 1)
succeed "$train" "$small" "${settings[@]}" --epochs 1 --out one
check one/report.html
[[ $(<found) == "4 drawings"* ]] || fail "expected 4 drawings, found $(<found)"
has one/report.html "after 1 epoch on" "<span>--out</span> <span>one</span>" "(top-5 "
ok "a run of one epoch: $(<found)"

succeed "$train" "$small" "${settings[@]}" --epochs 3 --out three
check three/report.html
last=$(tail -n 1 three/log.csv | cut -d, -f6)
has three/report.html "after 3 epochs on" \
    "accuracy <b>$(awk -v a="$last" 'BEGIN { printf "%.1f", 100 * a }')&nbsp;%</b>"
! compgen -G "three/*.tmp*" || fail "a temporary file is left"
ok "a run of three epochs says what its log says: $(<found)"

! grep -q "Cache of spectra" three/report.html || fail "a cache is told of that there is not"
succeed "$train" "$small" "${settings[@]}" --epochs 2 --cache kept --out cached
check cached/report.html
has cached/report.html "; spectra cached in $PWD/kept/" "Cache of spectra: " "hit rate"
ok "a cache is told of where there is one: $(<found)"

# Names that markup would stumble over.
for class in 'a & <b>' 'c"d'; do
    for split in train val; do
        mkdir -p "set/$split/$class"
        for i in 1 2 3 4; do cp "$tests/images/ankle-boot.png" "set/$split/$class/<$i>&.png"; done
    done
done
succeed "$train" "$small" --data set --epochs 1 --batch 4 --threads 1 --out 'runs & <more>'
check 'runs & <more>/report.html'
has 'runs & <more>/report.html' 'a &amp; &lt;b&gt;' '/&lt;1&gt;&amp;.png'
ok "class and file names are text, not markup: $(<found)"
