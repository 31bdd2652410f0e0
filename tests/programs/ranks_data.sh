#!/usr/bin/env bash
# The images of ranks: statistics, caches, scores and the limit of pictures that cannot be read are
# those of one process, in fcnn-train and fcnn-infer; and where one rank fails or stops, all do.
source "$(dirname "$0")/common.sh"
source "$tests/programs/ranks_common.sh"

data="synthetic:classes=4,size=14,channels=1,train=256,val=64"
four=("$train" "$small" --data "$data" --set net.shards=4 --threads 1 --epochs 2)

# ---- Statistics, caches and the test at the end ----
# With val_fraction the data's own validation images are a test set.
tested=("${four[@]}" --val-fraction 0.2)
succeed "${tested[@]}" --out one
grep '^test accuracy' out >one.test || fail "no test: $(<out)"
for number in 2 4; do
    rm -rf own.*
    EACH='MORE="--cache own.$number"' \
        succeed ranks $number "${tested[@]}" --out "own-$number"
    same_run one "own-$number"
    diff one.test <(grep '^test accuracy' out) || fail "$number ranks: another score of the test"
    [[ $(ls own.*/*.spectra | wc -l) == "$number" ]] || fail "not a cache for each rank: $(ls own.*)"
done
succeed ranks 2 "${tested[@]}" --cache shared --out shared
same_run one shared
diff one.test <(grep '^test accuracy' out) || fail "another score of the test"
# Of 205 training, 51 validation and 64 test images rank 0 reads its runs alone: 102 and, of as many
# batches of 8, 24 and 32.
has err "320 of 320 images stored" " 158 misses"
succeed "${tested[@]}" --cache shared --out found
has err "320 stored" " 0 misses"
same_run one found
succeed "${four[@]}" --set net.cache_type=half --cache halves --out half
EACH='MORE="--cache halves.$number"' \
    succeed ranks 4 "${four[@]}" --set net.cache_type=half --out half-4
same_run half half-4
ok "with a cache for each rank, and with one for all: the bits of one process, also of the test"

touch full.1
EACH='MORE="--cache full.$number"' \
    succeed ranks 2 "${tested[@]}" --out full
has err "warning: rank 1 on " "no cache: $work/full.1: "
[[ $(grep -c 'no cache' err) == 1 && -s $(echo full.0/*.spectra) ]] || fail "rank 0 too: $(<err)"
same_run one full
ok "a rank that can have no cache says so, and does without"

# ---- Pictures that cannot be read ----
# pictures FOLDER DAMAGED-TO-TRAIN DAMAGED-TO-VALIDATE
pictures() {
    local split class i damaged
    for split in train val; do
        damaged=$2
        [[ $split == train ]] || damaged=$3
        for class in a b; do
            mkdir -p "$1/$split/$class"
            for i in {01..24}; do
                cp "$tests/images/$([[ $class == a ]] && echo shirt || echo trouser).png" \
                    "$1/$split/$class/$i.png"
                ((10#$i > damaged)) || dd if=/dev/zero of="$1/$split/$class/$i.png" bs=1 seek=200 \
                    count=20 conv=notrunc 2>/dev/null
            done
        done
    done
}

# too_many COMMAND...: one process and ranks end with the same message.
too_many() {
    local number message
    run "$@" --out never
    [[ $code == 1 ]] || fail "code $code: $(<err)"
    message=$(grep -oE '[0-9]+ of [0-9]+ images cannot be read; the first: .*' err) ||
        fail "no message: $(<err)"
    for number in 2 4; do
        rm -rf never
        run ranks $number "$@" --out never
        one_message 1 "$message"
    done
    rm -rf never
}

pictures some 1 2
pictures many 9 0
pictures many-held-out 0 9
cut=("$train" "$small" --batch 8 --set net.shards=4 --quiet --threads 1)
succeed "${cut[@]}" --data some --out some-1
[[ $(grep problem err | tee problems | wc -l) == 7 ]] || fail "six problems and their number: $(<err)"
for number in 2 4; do
    succeed ranks $number "${cut[@]}" --data some --out some-$number
    same_run some-1 some-$number
    diff <(sort problems) <(grep problem err | sort) || fail "$number ranks name others"
done
too_many "${cut[@]}" --data many
too_many "${cut[@]}" --data many-held-out
ok "pictures that cannot be read are named once; more than a tenth end all, as one process"

# ---- fcnn-infer ----
succeed "$train" "$small" --data "$data" --quiet --out plain
scored=("$infer" one/model.safetensors --threads 1)
without_time() { sed -E 's/"ms_per_image": [0-9.]+, //' out; }

# alike COMMAND...: ranks print what one process does; how many: $numbers.
alike() {
    local number
    succeed "$@"
    without_time >alone.out
    cp err alone.err
    for number in $numbers; do
        succeed ranks $number "$@"
        diff alone.out <(without_time) || fail "$number ranks: another result of: $*"
        diff alone.err err || fail "$number ranks tell something else: $*"
    done
}
numbers="2 3 4" alike "${scored[@]}" --data "$data" --json --confusion alone.csv
numbers=3
cp alone.csv ranks.csv
succeed "${scored[@]}" --data "$data" --json --confusion alone.csv
cmp alone.csv ranks.csv || fail "another confusion matrix"
alike "$infer" plain/model.safetensors --json \
    --data "synthetic:classes=4,size=14,channels=1,train=90,val=33"
alike "${scored[@]}" --data "$data" --json --band-fraction 0.5 --norm-data "$data"
alike "${scored[@]}" --data "$data" --json --band-fraction 0.5 --norm-data "$data" --limit 7
ok "the score, the confusion matrix and norms' statistics are those of one process"

mkdir list
for i in {1..37}; do cp "$tests/images/shirt.png" "list/$i.png"; done
head -c 300 "$tests/images/shirt.png" >list/20.png
echo text >list/notes.txt
listed=("${scored[@]}" list --top 3)
for form in "2 --csv" "4 --json"; do
    read -r number form <<<"$form"
    run "${listed[@]}" "$form"
    [[ $code == 1 ]] || fail "code $code: $(<err)"
    cp out alone.out
    cp err alone.err
    run ranks "$number" "${listed[@]}" "$form"
    [[ $code == 1 ]] || fail "code $code: $(<err)"
    cmp out alone.out || fail "$number ranks classify otherwise"
    diff alone.err <(head -n "$(wc -l <alone.err)" err) || fail "$number ranks tell: $(<err)"
done
alike "${scored[@]}" "$tests/images/shirt.png" --norm-data "$data"
ok "pictures in their order, and those that cannot be read, as by one process"

run "$infer" some-1/model.safetensors --data many-held-out
[[ $code == 1 ]] || fail "code $code: $(<err)"
message=$(grep -oE '[0-9]+ of [0-9]+ images cannot be read; the first: .*' err)
run ranks 3 "$infer" some-1/model.safetensors --data many-held-out
one_message 1 "$message"
run "$infer" some-1/model.safetensors --data some --norm-data many
message=$(grep -oE '[0-9]+ of [0-9]+ images cannot be read; the first: .*' err) || fail "norms: $(<err)"
run ranks 3 "$infer" some-1/model.safetensors --data some --norm-data many
one_message 1 "$message"
alike "$infer" some-1/model.safetensors --threads 1 --data some --norm-data some --json
ok "the limit of pictures that cannot be read, in scores and in norms' statistics"

# ---- What is refused, and ends on the way ----
cp -r some fewer
rm fewer/train/a/10.png
cp -r some other
cp "$tests/images/shirt.png" other/val/b/20.png
cut+=(--data some --out never)
held=("$infer" some-1/model.safetensors --data some)
ONLY_ONE='MORE="--data fewer"' refused "rank 1 other training images 47 48" 2 "${cut[@]}"
ONLY_ONE='MORE="--data other"' refused "rank 1 other validation images" 2 "${cut[@]}"
ONLY_ONE='MORE="--data other"' refused "rank 1 other validation images" 2 "${held[@]}"
ONLY_ONE='MORE="--norm-data fewer"' \
    refused "rank 1 other training images" 2 "${held[@]}" --norm-data some
ONLY_ONE='MORE="--limit 9"' refused "rank 1 other options limit" 2 "${held[@]}"
ONLY_ONE='MORE="list/1.png"' refused "rank 1 other pictures" 2 "${listed[@]}"
ONLY_ONE='set -- "$1" plain/model.safetensors "${@:3}"' \
    refused "rank 1 another model tensors" 2 "${listed[@]}"
ONLY_ONE='export FCNN_ISA=generic' refused "rank 1 instruction set generic" 2 "${listed[@]}"
ONLY_ONE='MORE=--version' refused "rank 1 other options --help or its like" 2 "${listed[@]}"
ONLY_ONE='MORE=--help' refused "rank 1 other options --help or its like" 2 "${cut[@]}"
refused "features one rank 2" 2 "$infer" one/model.safetensors list --features conv1 never.npy
refused "picture one rank 2" 2 "$infer" one/model.safetensors list/1.png --picture never.png
[[ ! -e never && ! -e never.npy && ! -e never.png ]] || fail "something was begun: $(ls)"
ok "ranks that have other images, models or options"

# Whether rank 1 catches SIGTERM by now.
caught() {
    [[ -s pid.1 ]] && (($(sed -n 's/^SigCgt:[[:space:]]*/0x/p' "/proc/$(<pid.1)/status") & 1 << 14))
}

# stopped WORDS CONDITION COMMAND...: rank 1 of 2 is told to stop once the condition has become true.
stopped() {
    local words=$1 condition=$2 job started=$SECONDS code=0
    shift 2
    rm -f pid.*
    : >out >err
    ranks 2 "$@" >out 2>err </dev/null &
    job=$!
    until eval "$condition"; do
        kill -0 $job 2>/dev/null || fail "it has ended: $(<err)"
        ((SECONDS - started < 300)) || fail "it does not come to where it is to stop: $(<err)"
        sleep 0.02
    done
    kill -TERM "$(<pid.1)"
    started=$SECONDS
    wait $job || code=$?
    ((SECONDS - started < 300)) || fail "it took $((SECONDS - started)) s"
    one_message 130 "$words"
}

slow="synthetic:classes=4,size=800,channels=1,train=2000,val=0"
many="synthetic:classes=4,size=14,channels=1,train=3000000,val=0"
before="interrupted before the first step"
stopped "$before" '[[ $(<out) == *folder* ]] && sleep 0.5' \
    "$train" "$small" --data "$slow" --set net.shards=2 --out slow
[[ ! -e slow/log.csv ]] || fail "it has begun to train"
mkdir locked.1
exec 9>locked.1/.lock
flock 9
EACH='MORE="--cache locked.$number"' \
    stopped "$before" 'grep -q "cache: .*/locked.0" err && sleep 0.2' "${four[@]}" --out never
exec 9>&-
stopped "rank 1 interrupted" 'grep -q "all of it is scored" err && sleep 0.5' "${scored[@]}" --data "$many"
stopped "rank 1 interrupted" 'caught && sleep 1' "${scored[@]}" --data "$data" --norm-data "$many"
ok "a signal to one rank ends all: in statistics, scores, and waits for a cache"
