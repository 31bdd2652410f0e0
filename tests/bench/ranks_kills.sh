#!/usr/bin/env bash
# ranks_kills.sh BUILD [N=50] [SEED=1]: N trainings on 1 to 8 ranks, each killed one to three times,
# one rank or all, at a random moment or while it saves, and each time resumed on another number of
# ranks, by the other MPI library, with and without the optimizer in parts. Each must end within
# seconds of the kill, and in the end with the bits of an unbroken run. Choices are a function of the
# seed; the moments are the machine's.
build=${1:?usage: $0 BUILD [N=50] [SEED=1]}
source "$(dirname "$0")/../programs/common.sh"
source "$tests/programs/ranks_common.sh"
count=${2:-50} seed=${3:-1}
RANDOM=$seed
LIMIT=10 # seconds that a launcher may take to end all others
[[ $openmpi && $mpich ]] || fail "it takes both MPI libraries: modules of FCNN_MPI, and a mpirun for each"

small_run=("$train" "$small" --set net.shards=8 --set net.save_every=1 --epochs 80 --threads 1)
lenet_run=("$train" "$source_root/models/lenet.cfg" --set net.shards=8 --set net.save_every=1
    --limit 512 --batch 64 --epochs 6 --threads 1)
succeed "${small_run[@]}" --out whole-small
succeed "${lenet_run[@]}" --out whole-lenet

# pick WORD...: one of them, into $picked.
pick() {
    local words=("$@")
    picked=${words[RANDOM % ${#words[@]}]}
}

# alive N: the ranks that are there, of N.
alive() {
    local number found=0
    for ((number = 0; number < $1; number++)); do
        if [[ -e pid.$number ]] && kill -0 "$(<"pid.$number")" 2>/dev/null; then found=$((found + 1)); fi
    done
    echo "$found"
}

# start N COMMAND...: in the background, as $job.
start() {
    local number=$1
    shift
    rm -f pid.*
    if ((number == 1)); then
        bash -c 'echo $$ >pid.0; exec "$@"' - "$@" >out 2>err </dev/null &
    else
        ranks "$number" "$@" >out 2>err </dev/null &
    fi
    job=$!
}

# come_to MOMENT DELAY FOLDER: waits until the run saves, or for a time.
come_to() {
    local i
    if [[ $1 == saving ]]; then
        for ((i = 0; i < 2000; i++)); do
            if compgen -G "$3/*.tmp*" >/dev/null || [[ -e $3/model-next.safetensors ]]; then break; fi
            kill -0 $job 2>/dev/null || break
            sleep 0.003
        done
    fi
    sleep "$2"
}

# kill_some N VICTIM: its process, or all of them.
kill_some() {
    local number
    for ((number = 0; number < $1; number++)); do
        [[ $2 == all || $2 == "$number" ]] || continue
        if [[ -e pid.$number ]]; then kill -KILL "$(process "$number")" 2>/dev/null || true; fi
    done
}

# settle: waits for the launcher, and says in $took after how many seconds all were gone.
settle() {
    local started=$SECONDS
    code=0
    wait $job 2>/dev/null || code=$?
    while (($(alive "$1") && SECONDS - started < LIMIT)); do sleep 0.1; done
    took=$((SECONDS - started))
    ((code == 0 || (took <= LIMIT && $(alive "$1") == 0))) ||
        fail "run $run ($story): code $code, $(alive "$1") ranks after $took s: $(cat err)"
}

kills=0 anew=0 unnamed=0 longest=0
for ((run = 1; run <= count; run++)); do
    pick small small lenet
    cfg=$picked
    declare -n command="${cfg}_run"
    folder=run-$run story="$cfg"
    pick 1 2 4 8
    number=$picked
    pick "$openmpi" "$mpich"
    mpirun=$picked
    breaks=$((RANDOM % 3 + 1))
    for ((b = 0; ; b++)); do
        pick "" --partition-optimizer
        more=(${picked:+"$picked"})
        if [[ -e $folder/checkpoint.safetensors ]]; then more+=(--resume); fi
        start "$number" "${command[@]}" --out "$folder" "${more[@]}"
        if ((b == breaks)); then break; fi
        pick random random saving
        moment=$picked
        pick all one one one
        victim=all
        if [[ $picked == one ]]; then victim=$((RANDOM % number)); fi
        delay=$((RANDOM % 300))
        if [[ $moment == random ]]; then delay=$((300 + RANDOM % 3000)); fi
        come_to "$moment" "$((delay / 1000)).$(printf %03d $((delay % 1000)))" "$folder"
        kill_some "$number" "$victim"
        settle "$number"
        story+=", $number ${mpirun#mpirun.} $victim/$moment"
        if ((code == 0)); then
            story+=" (it had ended)"
        else
            kills=$((kills + 1))
            if ((took > longest)); then longest=$took; fi
            [[ $victim == all || $number == 1 ]] || grep -q "rank $victim" err || unnamed=$((unnamed + 1))
            [[ -e $folder/checkpoint.safetensors ]] || anew=$((anew + 1))
        fi
        before=$number
        until ((number != before)); do
            pick 1 2 4 8
            number=$picked
        done
        if [[ $mpirun == "$openmpi" ]]; then mpirun=$mpich; else mpirun=$openmpi; fi
    done
    settle_code=0
    wait $job || settle_code=$?
    ((settle_code == 0)) || fail "run $run ($story): code $settle_code: $(cat err)"
    same_run "whole-$cfg" "$folder"
    ok "$run: $story, ended on $number"
    rm -rf "$folder" "$folder.old"
done
ok "seed $seed: $count runs, $kills kills, $anew before the first checkpoint; all ended within $longest s"
((unnamed == 0)) || fail "$unnamed times no message named the rank that was killed"
ok "each message named the rank that was killed"
