#!/usr/bin/env bash
# What a user sees on a terminal of 80 columns: no line is wider, at most twelve lines come before
# the first epoch, and what is wrong is told, whole, at the end.
# usage: terminal.sh BUILD_FOLDER
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v script >/dev/null || { skip "no script(1) to make a terminal with"; exit 77; }

# seen COMMAND...: as run, on a terminal; `out` has the lines as they stand at the end.
seen() {
    local line
    printf -v line '%q ' "$@"
    code=0
    script -qec "stty rows 24 cols 80; $line" /dev/null <"${keys:-/dev/null}" >raw || code=$?
    python3 - raw >out <<'PY' || fail "too wide: $(<out)"
import re, sys
text = open(sys.argv[1], "rb").read().decode().replace("\r\n", "\n")
text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("^D\b\b", "")
wide = False
for line in text.split("\n"):
    for part in line.split("\r"):
        if len(part) > 80:
            print("WIDE:", part)
            wide = True
    print(line.split("\r")[-1])
sys.exit(wide)
PY
}

for program in train infer info convert compare bench "bench train" "bench conv" "bench infer"; do
    # shellcheck disable=SC2086
    seen "$build"/fcnn-$program --help
    [[ $code == 0 ]] || fail "fcnn-$program --help: code $code"
    has out "usage: fcnn-"
    # shellcheck disable=SC2086
    seen "$build"/fcnn-$program --version
done
seen "$train" --help-cfg
has out "[fourier_pool]"
ok "--help of every program, --version and --help-cfg"

mkdir -p pictures/{rose,tulip}
for i in {1..24}; do
    cp "$tests/images/shirt.png" pictures/rose/$i.png
    cp "$tests/images/trouser.png" pictures/tulip/$i.png
done
# Lines that paths of this machine, or what it lacks, make longer than a terminal count once.
before() { sed -n '/^epoch 1\//q;p' out | grep -c '^[^ ]'; }
run_options=(--data pictures --epochs 2 --batch 8 --threads 1)
seen "$train" "$source_root/models/lenet.cfg" "${run_options[@]}" --out first
[[ $code == 0 && $(before) -le 12 ]] || fail "code $code, $(before) lines before the first epoch: $(<out)"
has out "network  " "data     " "device   " "epochs   " "folder   first" "epoch 2/2  " "report: first/report.html"
[[ $(grep -c "nothing is held out to score on" out) == 2 ]] || fail "a warning is told twice: $(<out)"
grep -A 99 "the warning" out | grep -q "held out" || fail "warnings are repeated at the end: $(<out)"
ok "a first run: $(before) lines before the first epoch"

for i in {1..9}; do
    head -c 300 "$tests/images/shirt.png" >"pictures/rose/a picture of a phone with a long name, $i of November.png"
done
seen "$train" "$source_root/models/lenet.cfg" "${run_options[@]}" --val-fraction 0.2 --out bad
[[ $code == 0 && $(before) -le 12 ]] || fail "code $code, $(before) lines before the first epoch: $(<out)"
has out "... and 8 more, named at the end" "9 problems with the images:"
[[ $(grep -c ^problem: out) == 10 ]] || fail "nine problems: $(<out)"
grep -A 99 "9 problems with" out | tr -d '\n ' | grep -q "9ofNovember.png" || fail "not whole: $(<out)"
ok "a run with bad pictures names them all at the end"

seen "$train" "$source_root/models/lenet.cfg" "${run_options[@]}" --epochs 3 --resume --out bad
seen "$train" "$source_root/models/lenet.cfg" "${run_options[@]}" --init bad/model.safetensors --out warm
has out "taken: conv1, conv2, conv3, dense1, dense2: all"
seen "$train" "$source_root/models/lenet.cfg" "${run_options[@]}" --find-rate
has out "proposed:" "use      --set net.learning_rate="
seen "$train" "$source_root/models/lenet.cfg" "${run_options[@]}" --set net.learning_rate=1000 --set net.schedule=constant --out diverged
[[ $code == 1 ]] || fail "a rate of 1000: code $code"
has out "--find-rate"
seen "$train" "$source_root/models/lenet.cfg" --data pictures --set net.optimizer=Adam
seen "$train" "$source_root/models/lenet.cfg" --data pictures --lr 0.1
seen "$train" "$source_root/models/lenet.cfg" --data pictures-that-are-not-there --out never
seen "$infer" bad/model.safetensors pictures/rose/1.png pictures/tulip/1.png
seen "$infer" bad/model.safetensors "$source_root/models/lenet.cfg"
seen "$info" .
ok "resumed, started from a model, --find-rate, and messages of errors"
