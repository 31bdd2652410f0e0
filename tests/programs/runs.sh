#!/usr/bin/env bash
# Runs are found again: each has a folder of its own unless --out names one, runs/latest is the last
# one begun, --resume without --out takes the last that can be resumed, and fcnn-info lists them.
# usage: runs.sh BUILD_FOLDER
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

data=synthetic:classes=4,size=14,channels=1,train=256,val=64
quick=("$train" "$small" --data "$data" --set net.schedule=constant --quiet --threads 1)

for epochs in 1 2 1; do succeed "${quick[@]}" --epochs $epochs; done
for name in small small-2 small-3; do [[ -s runs/$name/model.safetensors ]] || fail "no runs/$name"; done
[[ $(readlink runs/latest) == small-3 ]] || fail "latest is $(readlink runs/latest)"
mkdir crowd
for i in 1 2 3 4; do (cd crowd && exec "${quick[@]}" --epochs 1 >out$i 2>err$i) & pids[i]=$!; done
for i in 1 2 3 4; do wait "${pids[i]}" || fail "four runs at once: $(cat crowd/err$i)"; done
for name in small small-2 small-3 small-4; do
    [[ -s crowd/runs/$name/model.safetensors ]] || fail "four runs at once: no $name"
done
ok "four runs begun at once have four folders"
kept=$(cksum runs/small/* runs/small-2/*)
ok "three runs have three folders, and latest is the third"

succeed "${quick[@]}" --epochs 3 --resume
[[ $(wc -l <runs/small-3/log.csv) == 4 && $(cksum runs/small/* runs/small-2/*) == "$kept" ]] ||
    fail "a resume: $(wc -l runs/*/log.csv)"
ok "a resume goes on with the last, and touches no other"

mkdir runs/small-4
succeed "${quick[@]}" --epochs 1
[[ -s runs/small-4/log.csv && $(readlink runs/latest) == small-4 ]] || fail "an empty folder is not used"
echo mine >runs/small-5
succeed "${quick[@]}" --epochs 1
[[ $(<runs/small-5) == mine && -s runs/small-6/log.csv ]] || fail "a file of that name: $(ls runs)"
succeed "${quick[@]}" --epochs 1 --out elsewhere
[[ $(readlink runs/latest) == small-6 && ! -e latest ]] || fail "--out changed latest"
rm runs/latest
mkdir runs/latest
echo mine >runs/latest/file
succeed "${quick[@]}" --epochs 1
[[ $(<runs/latest/file) == mine ]] || fail "a folder called latest is the user's"
rm -r runs/latest
ok "what is there of others stays"

succeed "$info" runs
for line in '^small  .*synthetic  *1/1 ' '^small-2 .* 2/2 ' '^small-3 .* 3/3 ' '^small-7 '; do
    grep -qE "$line" out || fail "no line '$line': $(<out)"
done
[[ $(wc -l <out) == 7 ]] || fail "expected six runs: $(<out)"
grep -q 'at work' out && fail "nothing is at work: $(<out)"
succeed "$info" runs/small-2
[[ $(wc -l <out) == 2 ]] || fail "one run: $(<out)"
refuse 1 "$source_root/models: expected a folder of runs" "" "$info" "$source_root/models"
ok "runs are listed with their data, epochs and accuracies"

"${quick[@]}" --epochs 1000000 >first 2>first.err &
pid=$!
until [[ -s runs/small-8/checkpoint.safetensors ]]; do kill -0 $pid || fail "$(<first.err)"; sleep 0.02; done
succeed "$info" runs
grep -q '^small-8 .*at work$' out || fail "a run that is at work: $(<out)"
kill -TERM $pid
code=0
wait $pid || code=$?
[[ $code == 130 ]] || fail "exit code $code: $(<first.err)"
grep -q -- '--out runs/small-8 --resume' first first.err || fail "the way back: $(cat first first.err)"
ok "a run at work is told, and the command that resumes it names its folder"

mkdir -p cfgs/pictures/train/{a,b} cfgs/pictures/val/{a,b}
for split in train val; do
    for i in 1 2 3 4; do
        cp "$tests/images/shirt.png" "cfgs/pictures/$split/a/$i.png"
        cp "$tests/images/trouser.png" "cfgs/pictures/$split/b/$i.png"
    done
done
sed 's|^data=.*|data=pictures|; s/^schedule=.*/schedule=constant/; s/^batch=.*/batch=4/' "$small" >cfgs/small.cfg
succeed "$train" cfgs/small.cfg --quiet --epochs 1 --out whole
cp -r whole part
succeed "$train" cfgs/small.cfg --quiet --epochs 3 --out whole --resume
succeed "$train" --resume part --quiet --epochs 3
same_run whole part
(cd cfgs && succeed "$train" --resume "$work/part" --quiet --epochs 4) || fail "from another folder"
[[ $(wc -l <part/log.csv) == 5 ]] || fail "from another folder: $(<part/log.csv)"
refuse 2 "part is the folder of a run: --resume" "" "$train" part
refuse 2 "cfgs: expected a cfg, or with --resume the folder of a run" "" "$train" cfgs --resume
ok "--resume FOLDER needs no other option, from wherever"

asked=(--quiet --epochs 2 --set net.schedule=constant --limit 128 --save spectral --cache kept)
succeed "$train" "$small" --data "$data" "${asked[@]}" --out asked
for folder in kept gone; do
    cp -r asked again
    [[ $folder == kept ]] || mv kept elsewhere.kept
    (cd cfgs && succeed "$train" --resume "$work/again" --epochs 3)
    [[ $folder == gone ]] || has cfgs/err "cache: $work/kept/"
    [[ ! -e kept || $folder == kept ]] || fail "a cache that was gone is made"
    [[ -e done ]] || succeed "$train" "$small" --data "$data" "${asked[@]}" --epochs 3 --out done
    same_run done again
    rm -r again
done
ok "nor what --limit, --save and --cache said, and a cache that is gone is left out"
