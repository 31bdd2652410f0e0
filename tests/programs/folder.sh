#!/usr/bin/env bash
# The folder of a run or comparison: what is moved out of it, what is refused, and who works in it.
source "$(dirname "$0")/common.sh"
compare=$build/fcnn-compare
quick=("$train" "$small" --quiet --epochs 1 --threads 1)
for class in rose tulip; do
    mkdir -p "flowers/$class"
    for i in 1 2 3 4 5 6; do cp "$tests/images/shirt.png" "flowers/$class/$i.png"; done
done
photos=("${quick[@]}" --data flowers --batch 4 --val-fraction 0.5)

# tree FOLDER: the paths below it, and of files what they hold.
tree() { (cd "$1" && find . ! -type f | sort && find . -type f -exec sha256sum {} + | sort -k 2); }
# untouched CODE START WORDS COMMAND...: refused as by refuse, and nothing below here is changed.
untouched() {
    tree . | grep -vE ' \./(out|err|before)$' >"$work.before"
    refuse "$@"
    tree . | grep -vE ' \./(out|err|before)$' | diff "$work.before" - >&2 || fail "changed by: ${*:4}"
    rm "$work.before"
}

# ---- Apart from the data ----
mkdir there
ln -s ../flowers there/link
ln -s flowers alias
for out in flowers alias there/link ./flowers/ there/../flowers new/../flowers "$work/flowers"; do
    untouched 2 "the folder of the run, $work/flowers" "is that of the data --out" "${photos[@]}" --out "$out"
done
for out in flowers/run flowers/rose/a/b alias/x there/link/y; do
    untouched 2 "the folder of the run, $work/flowers/" "lies in the data, $work/flowers;" "${photos[@]}" --out "$out"
done
untouched 2 "the folder of the run, $work, holds the data, $work/flowers" "--out" "${photos[@]}" --out .
untouched 2 "the folder of the run, $work, holds the data, $work/flowers" "" "${photos[@]}" --out there/..
untouched 2 "the cache's folder $work/flowers/cache lies in the data" "--cache" "${photos[@]}" --out a --cache flowers/cache
untouched 2 "the cache's folder $work/flowers lies in the data" "--cache" "${photos[@]}" --out a --cache alias
sed 's/^seed=7/seed=7\ndata=..\/flowers/; /^data=synth/d' "$small" >there/own.cfg
untouched 2 "the folder of the run, $work/flowers/rose, lies in" "" \
    "$train" there/own.cfg --quiet --batch 4 --val-fraction 0.5 --out flowers/rose
untouched 2 "the folder of the run, $work/flowers, is that" "" "$compare" there/own.cfg --out flowers --set net.val_fraction=0.5
ok "a run's folder that is the data's, or in it, or around it, and a cache in it: refused, by any path"

# ---- What is in the way ----
mkdir -p mine/holiday several/notes other
echo words >several/model.txt
echo 'a,b' >other/log.csv
head -c 100 /dev/urandom >other/model.safetensors
synthetic=("${quick[@]}" --data "synthetic:classes=4,size=14,channels=1,train=64,val=32")
untouched 2 "mine: holds 'holiday', which is no file of a run" "--out" "${synthetic[@]}" --out mine
untouched 2 "several: holds '" "run" "${synthetic[@]}" --out several
untouched 2 "other: holds '" "run" "${synthetic[@]}" --out other
untouched 2 "flowers: holds '" "run" "${synthetic[@]}" --out flowers
untouched 2 "flowers: holds '" "comparison" "$compare" "$small" --out flowers
mkdir named named/log.csv
untouched 2 "named: holds 'log.csv'" "" "${synthetic[@]}" --out named
: >file
ln -s nowhere dangling
untouched 1 "file: cannot be created: Not a directory" "" "${synthetic[@]}" --out file
untouched 1 "file: cannot be created: Not a directory" "" "${synthetic[@]}" --out file/run
untouched 1 "dangling: cannot be created: " "nowhere" "${synthetic[@]}" --out dangling
untouched 2 "--out: expected a folder" "" "${synthetic[@]}" --out ''
untouched 2 "--out xxx" "" "${synthetic[@]}" --out "$(printf 'x%.0s' {1..5000})"
ok "folders with anything else inside, files and links to nowhere: refused, and named"

# ---- What is moved ----
succeed "${synthetic[@]}" --out run
[[ ! $(ls -A run | grep -vE '^(checkpoint|model|model-best)\.safetensors$|^(log|confusion|steps)\.csv$|^report\.html$') ]] ||
    fail "in a run's folder: $(ls -A run)"
tree run >first
touch run/{model.safetensors.tmp.77,write-test.tmp,.DS_Store}
succeed "${synthetic[@]}" --seed 8 --out run/
has err "the earlier run is now in run.old"
grep -v DS_Store first | diff - <(tree run.old | grep -v 'tmp') >&2 || fail "run.old is not the first run"
[[ ! -e run.old/.DS_Store && -e run/.DS_Store ]] || fail "a file of the system's was moved"
echo mine >run/notes.txt
untouched 2 "run: holds 'notes.txt'" "--out" "${synthetic[@]}" --out run
succeed "${synthetic[@]}" --seed 8 --out run --resume
rm run/notes.txt
untouched 2 "run/inner: lies in $work/run, which is the folder of a run" "--out" "${synthetic[@]}" --out run/inner
ok "a run alone is moved, to run.old; notes beside it keep it, but for --resume"

# The current folder, a link, a parent that cannot be written, a file system of its own: each time.
mkdir here real
ln -s ../real/run there/run
mkdir real/run
for i in 1 2 3; do
    (cd here && "${synthetic[@]}" --seed $i --out . >../out 2>../err) || fail "here, $i: $(cat err)"
    succeed "${synthetic[@]}" --seed $i --out there/run
done
for i in 1 2; do
    [[ -e here/earlier-$i/model.safetensors && -e here/earlier-$i/log.csv ]] || fail "here: $(find here)"
    kept=there/run.old
    ((i == 1)) || kept+=.$i
    cmp here/earlier-$i/model.safetensors $kept/model.safetensors || fail "link: $(find there real)"
done
[[ -h there/run ]] || fail "the link is gone"
ok "the current folder and a link to one, three runs each: all are kept"

mkdir -p locked/run
chmod 555 locked
for i in 1 2 3; do succeed env TMPDIR="$work" "${synthetic[@]}" --seed $i --out locked/run; done
[[ -e locked/run/model.safetensors ]] || fail "locked: $(find locked)"
if [[ $(id -u) == 0 ]]; then # root may write there
    [[ -e locked/run.old.2/model.safetensors ]] || fail "locked: $(find locked)"
else
    [[ -e locked/run/earlier-2/model.safetensors ]] || fail "locked: $(find locked)"
    mkdir closed
    chmod 555 closed
    untouched 1 "closed/.fcnn.lock: cannot be written" "" "${synthetic[@]}" --out closed
fi
chmod 755 locked
if mkdir mounted && unshare -rm true 2>/dev/null; then
    # shellcheck disable=SC2016
    unshare -rm bash -c 'mount -t tmpfs none mounted && shift 0 && for i in 1 2 3; do
        "$@" --seed $i --out mounted 2>err || exit 1; done
        [[ -e mounted/earlier-2/model.safetensors && -e mounted/earlier-1/log.csv ]]' - "${synthetic[@]}" >out ||
        fail "a mount point: $(cat err)"
    ok "a parent that cannot be written, a mount point: three runs each"
else
    skip "a mount point: none can be made here"
fi

succeed "${synthetic[@]}" --out cached --cache cached/kept
succeed "${synthetic[@]}" --out cached --cache cached/kept
has err "the earlier run is now in cached.old"
succeed "${synthetic[@]}" --out both --cache both
succeed "${synthetic[@]}" --out both --cache both
[[ -e both.old/log.csv && $(echo both/*.spectra) != *'*'* ]] || fail "$(ls both both.old)"
ok "a cache in the run's folder stays there"

# Files that cannot be opened are not said to be others'.
succeed "${synthetic[@]}" --out few
for most in 4 5 6 7 8 9; do
    run bash -c "ulimit -n $most && exec \"\$@\"" bash "${synthetic[@]}" --out few
    [[ $code == 0 ]] || ! grep "is no file of a run" err || fail "with $most open files"
done
ok "few open files: no run's folder is taken for somebody else's"

# ---- One at a time ----
"$train" "$small" --threads 1 --quiet --epochs 1000000 --out busy >out1 2>err1 &
first=$!
until [[ -e busy/checkpoint.safetensors ]]; do kill -0 $first || fail "$(cat err1)"; sleep 0.05; done
for again in "" --resume; do
    refuse 1 "busy: fcnn-train, process $first on " "--out" "${synthetic[@]}" --out busy $again
done
ln -s busy also
refuse 1 "also: fcnn-train, process $first on " "" "${synthetic[@]}" --out also
kill -KILL $first
wait $first 2>/dev/null || true
succeed "$train" "$small" --threads 1 --quiet --epochs 1 --out busy
has err "the earlier run is now in busy.old"
[[ $(cut -d, -f1 busy/log.csv | tr '\n' ' ') == "epoch 1 " ]] || fail "$(cat busy/log.csv)"
[[ ! -e busy/.fcnn.lock ]] || fail "a lock stays"
ok "a second run is told who is at work; a killed run leaves no lock"

for ((try = 1; try <= 12; try++)); do
    rm -rf race race.old*
    ((try % 3)) || succeed "${synthetic[@]}" --out race
    for i in 1 2 3; do
        "${synthetic[@]}" --seed $i --epochs 3 --out race >race$i 2>&1 &
        pids[i]=$!
    done
    won=0
    for i in 1 2 3; do
        if wait "${pids[i]}"; then won=$((won + 1)); else has race$i "at work in this folder"; fi
    done
    ((won)) || fail "none of three runs: $(cat race1 race2 race3)"
    [[ $(find . -path './race*/log.csv' | wc -l) == $((won + (try % 3 == 0))) ]] ||
        fail "$won runs left: $(find race*)"
    for log in race*/log.csv; do
        [[ $(cut -d, -f1 $log | tr '\n' ' ') =~ ^"epoch 1 "("2 3 ")?$ ]] || fail "$log: $(cat $log)"
    done
done
ok "three runs at one moment, $((try - 1)) times: a folder has one at a time"

# Moved away with the run in it, while another run's takes its name.
mkdir other-run
succeed "${synthetic[@]}" --epochs 2 --out other-run/place
sum=$(cd other-run/place && cksum *)
for left in none another; do
    rm -rf place place.was
    "$train" "$small" --data "synthetic:classes=4,size=14,channels=1,train=8000,val=64" --threads 1 \
        --quiet --epochs 1000000 --set net.save_every=1000m --out place >out1 2>err1 &
    first=$!
    until [[ -s place/log.csv ]]; do kill -0 $first || fail "$(cat err1)"; sleep 0.05; done
    mv place place.was
    [[ $left == none ]] || mv other-run/place place
    code=0
    wait $first || code=$?
    [[ $code == 1 ]] || fail "exit code $code of a run whose folder was moved: $(cat err1)"
    if [[ $left == another ]]; then
        has err1 "fcnn-train: place"
        [[ $(cd place && cksum *) == "$sum" ]] || fail "a run wrote into the folder of another"
        [[ -s place.was/log.csv ]] || fail "what was moved away is gone"
    else
        [[ ! -e place ]] || fail "a folder that was moved is made again"
    fi
done
ok "a run whose folder is moved ends, and writes nothing into what has its name then"

"$compare" "$small" --threads 1 --epochs 1000000 --out both-at >out1 2>err1 &
first=$!
until compgen -G 'both-at/*/seed7/log.csv' >/dev/null; do kill -0 $first || fail "$(cat err1)"; sleep 0.05; done
for fresh in "" --fresh; do
    refuse 1 "both-at: fcnn-compare, process $first on " "" "$compare" "$small" --out both-at $fresh
done
refuse 1 "$(echo both-at/*/seed7): fcnn-train, process " "" "${synthetic[@]}" --out both-at/*/seed7
kill -TERM $first
code=0
wait $first || code=$?
[[ $code == 130 ]] || fail "exit code $code: $(cat err1)"
echo mine >both-at/notes.txt
refuse 2 "both-at: holds 'notes.txt', which is no file of a comparison" "" "$compare" "$small" --out both-at --fresh
rm both-at/notes.txt
echo mine >"$(echo both-at/*/seed7)/notes.txt"
refuse 2 "both-at: holds '" "/seed7/notes.txt" "$compare" "$small" --out both-at --fresh
rm both-at/*/seed7/notes.txt
succeed "$compare" "$small" --threads 1 --epochs 1 --out both-at --fresh
has err "the earlier comparison is now in both-at.old"
ok "comparisons: the same"
