#!/usr/bin/env bash
# What happens on the way of ranks: one is killed, stopped or lacks memory, the launcher gets Ctrl-C.
# All end, with a message; a run goes on, on another number of ranks and by another MPI library, to
# the same bits.
source "$(dirname "$0")/common.sh"
source "$tests/programs/ranks_common.sh"

long=("$train" "$small" --set net.shards=8 --quiet --set net.save_every=2 --epochs 120 --threads 1)
whole_run=("${long[@]}")
succeed "${long[@]}" --out whole
part=(--partition-optimizer)

# in_between FOLDER N OPTIONS...: starts a run as $job, and waits until it has come some way.
in_between() {
    local folder=$1 number=$2
    shift 2
    rm -f pid.*
    env --default-signal=INT timeout --foreground 1200 "$mpirun" -n "$number" ./rank "${long[@]}" "$@" \
        --out "$folder" >out 2>err </dev/null &
    job=$!
    until [[ -e $folder/log.csv && $(wc -l <"$folder/log.csv") -gt 8 ]]; do
        kill -0 $job 2>/dev/null || fail "it has ended: $(<err)"
        sleep 0.02
    done
}

# ended CODE: within some time, with all ranks.
ended() {
    local number started=$SECONDS i
    code=0
    wait $job || code=$?
    ((SECONDS - started < 1000)) || fail "after $((SECONDS - started)) s"
    [[ $code == "$1" || $1 == any && $code != 0 ]] || fail "exit code $code, expected $1: $(<err)"
    for number in pid.*; do
        for ((i = 0; i < 10000; i++)); do
            kill -0 "$(<"$number")" 2>/dev/null || break
            sleep 0.1
        done
        ((i < 10000)) || fail "rank ${number#pid.} is still there"
    done
}

for mpirun in $openmpi $mpich; do
    folder=killed-$mpirun
    in_between "$folder" 4
    kill -KILL "$(process 2)"
    ended any
    has err "rank 2"
    epoch=$(($(wc -l <"$folder/log.csv") - 1))
    ((epoch < 120)) || fail "it was not killed on the way"
    mpirun=${openmpi:-$mpich}
    succeed ranks 2 "${long[@]}" --out "$folder" --resume
    same_run whole "$folder"
    ok "$folder: rank 2 of 4 in epoch $epoch: all end, it is named, and 2 ranks go on to the same bits"
done
mpirun=${openmpi:-$mpich}

in_between stopped 2 "${part[@]}"
kill -TERM "$(<pid.1)"
ended 130
has err "interrupted in epoch"
succeed "${long[@]}" --out stopped --resume
same_run whole stopped
ok "a signal to rank 1 stops all; one process goes on to the same bits"

# Validation takes most of the time, and the signal comes while it lasts: then no step gathers the
# moments that ranks keep in parts.
long+=(--data "synthetic:classes=4,size=14,channels=1,train=64,val=4096" --epochs 30)
succeed "${long[@]}" --out validated
for attempt in {1..20}; do # the signal may come in a step all the same
    rm -rf validating
    in_between validating 2 "${part[@]}"
    kill -TERM "$(<pid.1)"
    ended 130
    ! grep -q "after step 2 of 2" err || break
done
has err "after step 2 of 2"
succeed "${long[@]}" --out validating --resume
same_run validated validating
ok "stopped while it validates: one process goes on to the same bits"
long=("${whole_run[@]}")

# A save that is due in the last step of an epoch is due behind the epoch too: one gathers alone.
often=("$train" "$small" --set net.shards=8 --quiet --set net.save_every=0.0001m --epochs 60 --threads 1)
succeed "${often[@]}" --out often
succeed ranks 2 "${often[@]}" "${part[@]}" --out often-2
same_run often often-2
ok "moments in parts, saved at every moment: the same bits"

# Ctrl-C goes to the launcher. Open MPI's leaves ranks little time then, but passes SIGUSR1 on and
# waits.
for signal in INT USR1; do
    for mpirun in $openmpi $mpich; do
        [[ $signal == INT || $mpirun == "$openmpi" ]] || continue
        folder=$signal-$mpirun
        in_between "$folder" 4
        kill -$signal "$(pgrep -P $job)"
        ended any
        command="mpirun -n 4 ${long[*]} --out $folder --resume"
        if [[ $signal == USR1 || $mpirun == "$mpich" ]]; then
            [[ $code == 130 ]] || fail "exit code $code, expected 130: $(<err)"
            has err "interrupted in epoch" "any number of ranks that divides the 8 shards" \
                "to go on: $command"
        fi
        succeed bash -c "${command/#mpirun/$mpirun}"
        same_run whole "$folder"
        ok "$folder: the command of the message goes on to the same bits"
    done
done
mpirun=${openmpi:-$mpich}

in_between paused 2
kill -STOP "$(process 1)"
sleep 0.3
rows=$(wc -l <paused/log.csv)
sleep 0.3
[[ $(wc -l <paused/log.csv) == "$rows" ]] || fail "it has gone on without rank 1"
kill -CONT "$(process 1)"
ended 0
same_run whole paused
ok "a rank that is stopped and continued: the others wait, and the bits are the same"

# A job's line: it begins, goes on, and says that it is complete.
job_line=("${long[@]}" --auto-resume --out job)
in_between job 2 --auto-resume
kill -TERM "$(<pid.0)"
ended 130
command=$(sed -n 's/^to go on: //p' err)
[[ $command == *" --resume" && $command != *auto* ]] || fail "to go on: $command"
succeed ranks 4 "${job_line[@]}"
same_run whole job
cp job/model.safetensors before
succeed ranks 4 "${job_line[@]}"
cmp before job/model.safetensors || fail "a complete run was trained further"
succeed "$train" "$small" --quiet --epochs 1 --auto-resume --init job/model.safetensors --out tuned
cp tuned/model.safetensors before
succeed "$train" "$small" --quiet --epochs 1 --auto-resume --init nowhere --out tuned
cmp before tuned/model.safetensors || fail "it began again"
refuse 2 "--auto-resume" "--out" "$train" "$small" --auto-resume
refuse 2 "--auto-resume" "--resume exclude" "$train" "$small" --auto-resume --resume --out job
refuse 2 "--auto-resume" "--find-rate exclude" "$train" "$small" --auto-resume --find-rate --out job
ok "--auto-resume begins, goes on, and leaves a complete run as it is"

# examples/slurm.sbatch, with something else in the place of Slurm's own programs.
mkdir slurm
cat >slurm/srun <<'END'
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$MPIRUN" -n "$SLURM_NTASKS" ./rank "$@"
END
cat >slurm/scontrol <<'END'
#!/bin/bash
echo "$@" >>queued
END
chmod +x slurm/*
# batch RANKS: the job that Slurm would start, as $job.
batch() {
    rm -f pid.*
    env PATH="$work/slurm:$PATH" MPIRUN="$mpirun" FCNN_TRAIN="$train" SLURM_NTASKS="$1" \
        SLURM_JOB_NAME=of-a-job SLURM_JOB_ID=7 SLURM_CPUS_PER_TASK=1 \
        bash "$source_root/examples/slurm.sbatch" "${long[@]:1}" >out 2>err </dev/null &
    job=$!
}
batch 2
until [[ -e runs/of-a-job/log.csv && $(wc -l <runs/of-a-job/log.csv) -gt 8 ]]; do
    kill -0 $job 2>/dev/null || fail "it has ended: $(<err)"
    sleep 0.02
done
kill -TERM "$(<pid.0)" "$(<pid.1)"
ended 130
[[ $(<queued) == "requeue 7" ]] || fail "it is not queued again: $(<queued)"
batch 4
ended 0
same_run whole runs/of-a-job
[[ $(<queued) == "requeue 7" ]] || fail "a complete run is queued again"
ok "examples/slurm.sbatch saves, queues itself again, and goes on with other ranks to the same bits"

for mpirun in $openmpi $mpich; do
    ONLY_ONE='ulimit -v 300000' run ranks 4 "${long[@]}" --out little
    [[ $code == 1 && $(grep -c '^fcnn-train: rank 1 on ' err) == 1 ]] || fail "code $code: $(<err)"
    ok "$mpirun: rank 1 without memory ends all, with one message"
done

for mpirun in $openmpi $mpich; do
    ONLY_ONE='ulimit -v 60000' run ranks 4 "${long[@]}" --out little
    [[ $code != 0 && ! -e little ]] || fail "code $code: $(<err)"
    ok "$mpirun: a rank that cannot load the MPI library ends all"
done
