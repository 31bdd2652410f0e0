#!/usr/bin/env bash
# The same bits whatever the number of threads: the weights, and every
# column of the log but the times.
source "$(dirname "$0")/common.sh"

for threads in 1 2 3; do
    succeed "$train" "$small" --threads $threads --out "small$threads"
    succeed "$train" "$source_root/models/lenet.cfg" --threads $threads --out "lenet$threads" \
        --limit 192 --batch 64 --epochs 1
    succeed "$train" "$small" --set net.shards=4 --threads $threads --out "shards$threads"
done
for threads in 2 3; do
    same_run small1 "small$threads"
    ok "small.cfg, 3 epochs: 1 and $threads threads give the same weights and log"
    same_run shards1 "shards$threads"
    ok "in 4 shards, 1 and $threads threads give the same weights and log"
    same_run lenet1 "lenet$threads"
    ok "lenet.cfg on Fashion-MNIST: 1 and $threads threads give the same weights and log"
done

succeed "$train" "$small" --threads 2 --seed 8 --out other
cmp -s small1/model.safetensors other/model.safetensors && fail "another seed gave the same weights"
ok "another seed gives other weights"
