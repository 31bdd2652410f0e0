#!/usr/bin/env bash
# Ctrl-C and --resume: exit code 130, a checkpoint, a message with the very
# command that goes on, and in the end the bits of a run that was never stopped.
source "$(dirname "$0")/common.sh"

# stop FOLDER ROWS WANTED COMMAND...: stop_within after the log has so many rows, its header
# included; the command that goes on into $command.
stop() {
    local folder=$1 rows=$2 wanted=$3
    shift 3
    stop_within "$folder" "[[ -e $folder/log.csv && \$(wc -l <$folder/log.csv) -ge $rows ]]" "$wanted" "$@"
    has err "$folder/checkpoint.safetensors" "to go on: "
    "$info" "$folder/checkpoint.safetensors" >/dev/null || fail "no loadable checkpoint"
    command=$(sed -n 's/^to go on: //p' err)
}

long=(--data "synthetic:classes=4,size=14,channels=1,train=2048,val=64" --epochs 2)
succeed "$train" "$small" "${long[@]}" --out whole
stop stopped 1 'step > 0 && step < steps' "$train" "$small" "${long[@]}" --out stopped
ok "Ctrl-C in epoch $epoch, after step $step of $steps: exit code 130 and a checkpoint"
run bash -c "$command"
[[ $code == 0 ]] || fail "$command: exit code $code: $(cat err)"
same_run whole stopped
ok "the command of the message went on to the bits of the run never stopped"

stop twice 1 'step > 0 && step < steps' "$train" "$small" "${long[@]}" --out twice
first="$epoch/$step"
stop twice 2 'step > 0 && step < steps && epoch == 2' \
    "$train" "$small" "${long[@]}" --out twice --resume
[[ $command == *--resume && $command != *--resume*--resume* ]] || fail "to go on: $command"
run bash -c "$command"
same_run whole twice
ok "two interruptions, at $first and $epoch/$step: the same bits"

# Bands that grow, batches in shards and parts, patience: stopped in the first phase, then in the second.
mixed=("${long[@]}" --set net.bands=0.5:1,1: --set net.subdivisions=2 --set net.shards=4
    --set net.patience=2 --set net.augment_mirror=1 --set net.augment_shift=1
    --set net.augment_cutout=5 --set net.mixup=0.3 --set net.test_mirror=1)
succeed "$train" "$small" "${mixed[@]}" --out mixed
stop pieces 1 'step > 0 && step < steps && epoch == 1' \
    "$train" "$small" "${mixed[@]}" --out pieces
first="$epoch/$step"
stop pieces 2 'step > 0 && step < steps && epoch == 2' \
    "$train" "$small" "${mixed[@]}" --out pieces --resume
run bash -c "$command"
same_run mixed pieces
ok "growing bands in shards and parts, interrupted at $first and $epoch/$step: the same bits"

# Two steps an epoch and a long validation: the signal comes while it validates.
checks=(--data "synthetic:classes=4,size=14,channels=1,train=64,val=2048" --epochs 2)
succeed "$train" "$small" "${checks[@]}" --out checked
stop validating 1 'step == steps' "$train" "$small" "${checks[@]}" --out validating
ok "Ctrl-C while epoch $epoch was validated: exit code 130 and a checkpoint"
run bash -c "$command"
same_run checked validating
ok "validated again on --resume: the same bits"

# Resuming what must not be resumed, and what need not be.
refuse 2 "stopped/checkpoint.safetensors" "learning_rate=0.004 learning_rate=0.005" \
    "$train" "$small" "${long[@]}" --out stopped --resume --set net.learning_rate=0.005
refuse 2 "stopped/checkpoint.safetensors" "filters=6 filters=8" \
    "$train" "$small" "${long[@]}" --out stopped --resume --set 'conv[1].filters=8' \
    --set 'conv[2].filters=8'
refuse 2 "stopped/checkpoint.safetensors" "2048 1024" \
    "$train" "$small" "${long[@]}" --out stopped --resume --limit 1024
same_run whole stopped
ok "--resume with another cfg or other data: refused, with what differs"

touch stopped/{report.html.tmp.12,model.safetensors.tmp.3,notes.tmp.txt}
succeed "$train" "$small" "${long[@]}" --out stopped --resume
same_run whole stopped
[[ $(cd stopped && echo *.tmp*) == notes.tmp.txt ]] || fail "leftovers: $(ls stopped)"
ok "--resume of a finished run changes nothing, but for files that a killed run left half"

# Logs that are none, beside a good checkpoint.
for make in ': >' 'mkfifo' 'mkdir'; do
    rm -rf nolog
    cp -r stopped nolog
    rm nolog/log.csv
    eval "$make nolog/log.csv"
    case $make in
    mkfifo) refuse 1 "nolog/log.csv: is not a regular file" "" "$train" "$small" "${long[@]}" --out nolog --resume ;;
    mkdir) refuse 1 "nolog/log.csv: cannot be opened" "directory" "$train" "$small" "${long[@]}" --out nolog --resume ;;
    *) refuse 1 "nolog/log.csv: has 0 complete rows" "checkpoint" "$train" "$small" "${long[@]}" --out nolog --resume ;;
    esac
done
ok "a log that is empty, a pipe or a folder: refused, and not waited for"

constant=(--set net.schedule=constant)
succeed "$train" "$small" "${constant[@]}" --epochs 4 --out four
succeed "$train" "$small" "${constant[@]}" --epochs 2 --out more
succeed "$train" "$small" "${constant[@]}" --epochs 4 --out more --resume
same_run four more
[[ $(wc -l <more/log.csv) == 5 ]] || fail "expected four rows: $(cat more/log.csv)"
ok "2 epochs and --resume to 4 under a constant schedule: the bits of 4 at once"

# A schedule that ends with the run: what is left of it is spread over another number of epochs.
rates() { tail -n +2 "$1/log.csv" | cut -d, -f11; }
falling() {
    rates "$1" | awk 'NR > 1 && !($1 < last) { exit 1 } { last = $1 } END { exit !(last == 0) }' ||
        fail "$1: the rates do not fall to 0: $(rates "$1" | xargs)"
}
cosine=(--data "synthetic:classes=4,size=14,channels=1,train=2048,val=64" --set net.schedule=cosine)
stop cut 2 'step > 0 && step < steps && epoch < 4' \
    "$train" "$small" "${cosine[@]}" --epochs 5 --out cut
at="$epoch/$step"
rm -rf longer shorter
cp -r cut longer
cp -r cut shorter
succeed "$train" "$small" "${cosine[@]}" --epochs 5 --out cut --resume
! grep -q schedule= err || fail "the same epochs need no remark: $(cat err)"
falling cut
succeed "$train" "$small" "${cosine[@]}" --epochs 8 --out longer --resume
has err "schedule=cosine was of 5 epochs: what is left of it is spread over the rest of 8" \
    "(a new run of 8 would have "
falling longer
[[ $(wc -l <longer/log.csv) == 9 ]] || fail "expected eight rows: $(cat longer/log.csv)"
# The first epoch in which the length changed begins at the old rate, so it stays below what it was.
paste <(rates cut) <(rates longer) | awk -v epoch="${at%/*}" \
    'NR < epoch && $1 != $2 || NR == epoch && $2 < $1 { exit 1 }' || fail "$(rates longer | xargs)"
succeed "$train" "$small" "${cosine[@]}" --epochs "$((${at%/*} + 1))" --out shorter --resume
has err "schedule=cosine was of 5 epochs"
falling shorter
ok "cosine, stopped at $at of 5 epochs and resumed to 5, 8 and $((${at%/*} + 1)): the rate goes on and falls to 0"

stop again 2 'step > 0 && step < steps && epoch < 5' \
    "$train" "$small" "${cosine[@]}" --epochs 5 --out again
rm -rf once
cp -r again once
succeed "$train" "$small" "${cosine[@]}" --epochs 8 --out once --resume
stop again 4 'step > 0 && step < steps && epoch < 8' \
    "$train" "$small" "${cosine[@]}" --epochs 8 --out again --resume
run bash -c "$command"
! grep -q schedule= err || fail "the length is known: $(cat err)"
same_run once again
ok "interrupted once more on the spread schedule: the same bits"

cp -r cut complete
refuse 2 "complete/checkpoint.safetensors" "schedule=cosine end 5 more epochs --init" \
    "$train" "$small" "${cosine[@]}" --epochs 6 --out complete --resume --quiet
diff -r cut complete || fail "a refused resume changed the run"
succeed "$train" "$small" "${cosine[@]}" --epochs 5 --out complete --resume
same_run cut complete
ok "more epochs after the end of a cosine: refused, with what to do"
