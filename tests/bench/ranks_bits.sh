#!/usr/bin/env bash
# ranks_bits.sh BUILD [CIFAR] [PHOTOS]: short trainings of lenet.cfg, of cifar10.cfg on the archive
# CIFAR and of alexnet.cfg on the folder PHOTOS, in frequency and in space, on one process and on 1,
# 2, 4 and 8 ranks, of 1 and 2 threads, by both MPI libraries, with and without a cache and the
# optimizer in parts: the same model and log. It takes 12 GiB, and an hour of two processors.
cifar=${2:+$(realpath "$2")} photos=${3:+$(realpath "$3")}
build=${1:?usage: $0 BUILD [CIFAR] [PHOTOS]}
source "$(dirname "$0")/../programs/common.sh"
source "$tests/programs/ranks_common.sh"
[[ $openmpi && $mpich ]] || fail "it takes both MPI libraries: modules of FCNN_MPI, and a mpirun for each"

# compare NAME OPTION...: all ways to train by these options.
compare() {
    local name=$1 number threads library ways=0 one=("$train" "${@:2}" --quiet)
    succeed "${one[@]}" --threads 2 --out one
    for library in "$openmpi" "$mpich"; do
        mpirun=$library
        for number in 1 2 4 8; do
            for threads in 1 2; do
                succeed ranks "$number" "${one[@]}" --threads "$threads" --out some
                same_run one some
                rm -rf some
                ways=$((ways + 1))
            done
        done
        succeed ranks 4 "${one[@]}" --threads 1 --partition-optimizer --out some
        same_run one some
        cmp one/checkpoint.safetensors some/checkpoint.safetensors || fail "$name: other moments"
        rm -rf some
    done
    rm -rf one
    ok "$name: the same bits in $ways ways, and by the optimizer in parts"
}

short=(--epochs 1 --set net.shards=8)
for domain in frequency space; do
    in=(--set "net.domain=$domain")
    compare "lenet.cfg, $domain" "$source_root/models/lenet.cfg" "${short[@]}" "${in[@]}" \
        --limit 512 --batch 128
    if [[ $cifar ]]; then
        compare "cifar10.cfg, $domain" "$source_root/models/cifar10.cfg" "${short[@]}" "${in[@]}" \
            --data "$cifar" --limit 256 --batch 64 --val-fraction 0.1
    fi
    if [[ $photos ]]; then
        pictures=("$source_root/models/alexnet.cfg" "${short[@]}" "${in[@]}" --data "$photos"
            --limit 48 --batch 16)
        compare "alexnet.cfg, $domain" "${pictures[@]}"
        compare "alexnet.cfg with a cache, $domain" "${pictures[@]}" --cache spectra
    fi
done
