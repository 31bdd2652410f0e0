#!/usr/bin/env bash
# One training on several ranks: the same bits as one process, whatever their number, their threads
# and the MPI library; and what ranks refuse. What happens on the way: ranks_faults.sh.
source "$(dirname "$0")/common.sh"
source "$tests/programs/ranks_common.sh"

ldd "$train" | grep -i mpi && fail "the program needs an MPI library"
ok "alone, the program needs no MPI library"

# ---- The same bits ----
eight=("$train" "$small" --set net.shards=8 --quiet)
succeed "${eight[@]}" --threads 1 --out one
succeed "${eight[@]}" --threads 2 --out two-threads
same_run one two-threads
for number in 2 4 8; do
    succeed ranks $number "${eight[@]}" --threads 1 --out "ranks-$number"
    same_run one "ranks-$number"
done
cmp one/confusion.csv ranks-4/confusion.csv || fail "another confusion matrix"
succeed ranks 2 "${eight[@]}" --threads 2 --out ranks-2-2
same_run one ranks-2-2
ok "small.cfg in 8 shards: the same bits on 1, 2, 4 and 8 ranks, of 1 and 2 threads"

lenet=("$train" "$source_root/models/lenet.cfg" --set net.shards=4 --limit 256 --batch 64 --epochs 1 --quiet)
succeed "${lenet[@]}" --threads 2 --out lenet
for number in 2 4; do
    succeed ranks $number "${lenet[@]}" --threads 1 --out "lenet-$number"
    same_run lenet "lenet-$number"
done
ok "lenet.cfg on Fashion-MNIST: the same bits on 1, 2 and 4 ranks"

if [[ $openmpi && $mpich ]]; then
    mpirun=$mpich
    for number in 2 4 8; do
        succeed ranks $number "${eight[@]}" --threads 1 --out "mpich-$number"
        same_run one "mpich-$number"
    done
    mpirun=$openmpi
    ok "the same bits with the other MPI library"
fi

# Bands that grow, parts of shards, augmentation, patience, weights of classes, few validation images.
mixed=("$train" "$small" --data "synthetic:classes=4,size=14,channels=1,train=256,val=20" --quiet
    --set net.bands=0.5:1,1: --set net.shards=4 --set net.subdivisions=2 --set net.patience=1
    --set net.augment_mirror=1 --set net.augment_shift=1.5 --set net.clip_norm=1 --epochs 6
    --set net.class_weights=balanced --set net.augment_cutout=5 --set net.test_mirror=1
    --set net.mixup=0.3 --val-fraction 0.1)
succeed "${mixed[@]}" --out mixed
succeed ranks 4 "${mixed[@]}" --cache spectra --out mixed-4
same_run mixed mixed-4
[[ $(find spectra -type f | wc -l) -gt 0 ]] || fail "no cache"
ok "growing bands, parts, augmentation and patience, with one cache for all ranks: the same bits"

succeed "${eight[@]}" --init one/model.safetensors --out tuned
succeed ranks 2 "${eight[@]}" --init one/model.safetensors --out tuned-2
same_run tuned tuned-2
ok "from a model's weights: the same bits"

mkdir -p pictures/{a,b}
for i in {1..20}; do
    cp "$tests/images/shirt.png" "pictures/a/$i.png"
    cp "$tests/images/trouser.png" "pictures/b/$i.png"
done
dd if=/dev/zero of=pictures/a/7.png bs=1 seek=200 count=20 conv=notrunc 2>/dev/null
cut=("$train" "$small" --data pictures --val-fraction 0.3 --batch 8 --set net.shards=4 --quiet)
succeed "${cut[@]}" --out cut
succeed ranks 4 "${cut[@]}" --out cut-4
grep -q "problem: .*pictures/a/7.png.*left out" err || fail "it is not named: $(<err)"
same_run cut cut-4
ok "a picture that cannot be read is left out by all ranks"

# Weights of several buckets, which are under way while the backward pass goes on.
cat >wide.cfg <<'END'
[net] data=synthetic:classes=4,size=14,channels=1,train=64,val=16
batch=16 epochs=2 optimizer=adamw learning_rate=0.001 shards=4
[fft] size=13
[conv] filters=8 size=3 norm=batch activation=srelu
[ifft]
[dense] units=1000 activation=gelu
[dense] units=1200 activation=gelu
[dense] units=classes
[softmax]
END
sed -i 's/^\[[a-z]*\] /&\n/; s/ \([a-z_]*=\)/\n\1/g' wide.cfg
wide=("$train" wide.cfg --quiet)
part=(--partition-optimizer)
succeed "${wide[@]}" --out wide
succeed ranks 4 "${wide[@]}" --out wide-4
same_run wide wide-4
succeed ranks 4 "${wide[@]}" "${part[@]}" --out wide-parts
same_run wide wide-parts
cmp wide/checkpoint.safetensors wide-parts/checkpoint.safetensors || fail "other moments"
succeed ranks 2 "${wide[@]}" "${part[@]}" --epochs 1 --out wide-more
succeed ranks 4 "${wide[@]}" "${part[@]}" --out wide-more --resume
same_run wide wide-more
cmp wide/checkpoint.safetensors wide-more/checkpoint.safetensors || fail "other moments"
clip=(--set net.clip_norm=0.5 --set net.bands=0.5:1,1:)
succeed "${wide[@]}" "${clip[@]}" --out clip
succeed ranks 4 "${wide[@]}" "${clip[@]}" "${part[@]}" --out clip-4
same_run clip clip-4
ok "weights of several buckets, and moments in parts, saved and resumed: the same bits"

run ranks 4 "${eight[@]}" --set net.optimizer=sgd --set net.learning_rate=1e6 --out diverged
[[ $code == 1 && $(grep -c "the loss is not finite" err) == 1 ]] || fail "code $code: $(<err)"
has err "conv1.norm+activation" "--set net.learning_rate=100000"
ok "a loss that is not finite is told once"

# ---- What is refused ----
refused "shards=8 3 ranks power of two" 3 "${eight[@]}" --out never
refused "shards=1 2 ranks" 2 "$train" "$small" --out never
refused "find-rate one rank" 2 "${eight[@]}" --find-rate
ONLY_ONE='MORE="--set net.learning_rate=0.005"' refused "rank 1 another cfg learning_rate=0.005 learning_rate=0.004" 2 "${eight[@]}" --out never
ONLY_ONE='MORE="--limit 128"' refused "rank 1 images 128 256" 2 "${eight[@]}" --out never
ONLY_ONE='MORE="--data nowhere"' refused "rank 1 nowhere" 2 "${eight[@]}" --out never
ONLY_ONE='MORE=--partition-optimizer' refused "rank 1 --partition-optimizer without" 2 "${eight[@]}" --out never
ONLY_ONE='export FCNN_ISA=generic' refused "rank 1 instruction set generic" 2 "${eight[@]}" --out never
[[ ! -e never ]] || fail "something was begun: $(ls never)"
ok "ranks that do not divide the shards, and ranks that are not alike"

# srun without --mpi starts processes that know nothing of each other; a batch script has no step.
run env SLURM_STEP_NUM_TASKS=4 SLURM_NTASKS=4 SLURM_PROCID=0 "$train" "$small" --quiet --out never
[[ $code == 1 && ! -e never ]] || fail "code $code: $(<err)"
has err "SLURM_STEP_NUM_TASKS=4" "srun --mpi=pmix" "--mpi=pmi2"
succeed env SLURM_NTASKS=4 SLURM_PROCID=0 "$train" "$small" --quiet --epochs 1 --out batch
succeed env SLURM_STEP_NUM_TASKS=1 SLURM_NTASKS=4 "$train" "$small" --quiet --epochs 1 --out task
ok "a task of srun that cannot find the others says so; one task, and a batch script, train alone"

mkdir alone
cp "$train" alone
run ranks 2 alone/fcnn-train "$small" --out never
[[ $code != 0 ]] || fail "two processes without a module have trained"
has err "a launcher has started several ranks" "FCNN_MPI"
[[ ! -e never ]] || fail "something was begun"
ok "a program without its module says so"

# ---- What more ranks would bring ----
succeed ranks 2 "$build/fcnn-bench" train "$small" --channels 1 --classes 4 --batch 8 --steps 2 --threads 1 --ranks-model
has out "us (measured, rank 0 with its slowest partner)" "up to 8 ranks"
[[ $(grep -c '^link: ' out) == 1 ]] || fail "another rank prints too: $(<out)"
succeed ranks 2 "$build/fcnn-bench" train "$small" --channels 1 --classes 4 --batch 8 --steps 2 --threads 1 --ranks-model --bandwidth 2.5
has out "2.5 Gbit/s" "slowest partner, bandwidth as stated)"
run ranks 2 "$build/fcnn-bench" train "$small" --threads 1 --ranks-model --device none
[[ $code != 0 && $(grep -c "device none" err) == 1 ]] || fail "code $code: $(<err)"
ok "fcnn-bench train --ranks-model: two ranks measure their link, and the first one prints"
