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

# ---- Losses by step ----

settings=(--data "synthetic:classes=4,size=14,channels=1,train=2048,val=64" --threads 1 --set net.schedule=constant)
succeed "$train" "$small" "${settings[@]}" --epochs 4 --out whole
[[ $(wc -l <whole/steps.csv) == $((1 + 4 * 64)) && $(head -n 1 whole/steps.csv) == step,train_loss ]] ||
    fail "expected a row a step: $(head whole/steps.csv)"
# The mean of an epoch's rows is what the log says.
for epoch in 1 2 3 4; do
    awk -F, -v e=$epoch -v log_loss="$(sed -n "$((epoch + 1))p" whole/log.csv | cut -d, -f3)" '
        NR > 1 && $1 > 64 * (e - 1) && $1 <= 64 * e { sum += $2 / 64 }
        END { exit !(sum - log_loss < 2e-6 && log_loss - sum < 2e-6) }' whole/steps.csv ||
        fail "epoch $epoch of steps.csv and log.csv differ"
done
ok "steps.csv has every step, and an epoch's mean is the log's"

succeed "$train" "$small" "${settings[@]}" --epochs 2 --out half
for damage in "rm" "echo nonsense >" "mkdir" "mkfifo"; do
    rm -rf damaged
    cp -r half damaged
    rm damaged/steps.csv
    [[ $damage == rm ]] || eval "$damage damaged/steps.csv"
    run "$train" "$small" "${settings[@]}" --epochs 4 --out damaged --resume
    [[ $code == 0 ]] || fail "steps.csv after $damage: exit code $code: $(<err)"
    cmp whole/model.safetensors damaged/model.safetensors || fail "steps.csv after $damage: other weights"
    check damaged/report.html
    case $damage in
        rm) ! grep -q warning err || fail "a missing steps.csv: $(<err)" ;;
        echo*) has err "warning: the losses by step up to here are lost: damaged/steps.csv:1: is 'nonsense'" ;;
        *) has err "damaged/steps.csv: is not a regular file" "warning: the losses by step could not be saved" ;;
    esac
    [[ $(grep -c '^warning: the losses by step could not' err) == $([[ $damage == mk* ]] && echo 2 || echo 0) ]] || # and at the end
        fail "a warning more than once: $(<err)"
    [[ $damage == mk* || $(sed -n 2,3p damaged/steps.csv) == "128,
$(sed -n 130p whole/steps.csv)" ]] || fail "after a gap: $(head -n 3 damaged/steps.csv)"
done
ok "without steps.csv, or with a damaged one, a resume has a gap and the same weights"
