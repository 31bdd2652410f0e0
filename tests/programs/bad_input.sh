#!/usr/bin/env bash
# Every bad file and wrong option, through the real programs: one clear line on
# standard error, the right exit code (2 for options and cfgs, 1 for the rest),
# and no report of a sanitizer.
source "$(dirname "$0")/common.sh"
bad=$tests/bad

# bad/EXPECTED: file, line and words, separated by tabs.
count=0
while IFS=$'\t' read -r file line words; do
    path=$bad/$file
    case $file in
    *.cfg)
        start="$path:$line: "
        ((line)) || start="$path: "
        refuse 2 "$start" "$words" "$info" "$path" --channels 3 --classes 4
        refuse 2 "$start" "$words" "$train" "$path" --out never \
            --data synthetic:classes=4,size=28,channels=3,train=128,val=8
        ;;
    *.safetensors)
        refuse 1 "$path: " "$words" "$info" "$path"
        refuse 1 "$path: " "$words" "$infer" "$path" "$tests/images/shirt.png"
        refuse 1 "$path: " "$words" "$train" "$small" --init "$path" --out never
        ;;
    *) fail "bad/EXPECTED names $file: neither cfg nor safetensors" ;;
    esac
    count=$((count + 1))
done <"$bad/EXPECTED"
listed=$(wc -l <"$bad/EXPECTED")
present=$(find "$bad" -maxdepth 1 \( -name '*.cfg' -o -name '*.safetensors' \) | wc -l)
[[ $count == "$listed" && $count == "$present" && $count -gt 60 ]] ||
    fail "$count cases checked, $listed listed, $present files"
ok "$count bad cfgs and model files, through every program that reads them"

# idx folders: name and words of the message.
idx_cases="
truncated-gz         train-images-idx3-ubyte.gz truncated 768 372 gzip
truncated-gz-trailer train-images-idx3-ubyte.gz truncated trailer
damaged-gz           train-images-idx3-ubyte.gz damaged gzip
truncated            train-images-idx3-ubyte truncated 12 11
truncated-header     train-images-idx3-ubyte truncated 12 6
empty-file           train-images-idx3-ubyte truncated magic
trailing-bytes       train-images-idx3-ubyte trailing 12
huge-count           train-images-idx3-ubyte 4294967295 17179869180 12
overflow             train-images-idx3-ubyte 4294967295 65535 overflow
wrong-magic          train-images-idx3-ubyte 0x74686973 0x00000803
wrong-type           train-images-idx3-ubyte 0x00000d03 0x00000803
wrong-dimensions     train-images-idx3-ubyte dimensions 3 4
zero-height          train-images-idx3-ubyte 0 sides
two-channels         train-images-idx3-ubyte 2 channels
other-channels       channels 3 1
no-images            train-images-idx3-ubyte at least one
label-count          train-labels-idx1-ubyte 2 3
label-range          label 2 names
classes-gap          classes.txt:2 empty
missing-test         t10k-images-idx3-ubyte missing"
count=0
while read -r name words; do
    [[ $name ]] || continue
    refuse 1 "$bad/idx/$name" "$words" "$train" "$small" --data "$bad/idx/$name" --out never
    count=$((count + 1))
done <<<"$idx_cases"
[[ $count == "$(find "$bad/idx" -mindepth 1 -maxdepth 1 -type d | wc -l)" ]] ||
    fail "tests/bad/idx has folders that are not in the list above"
ok "$count bad idx folders"

# Archives that are no CIFAR, and a folder without a usable picture.
printf 'a text' >text.tar.gz
tar -czf other.tar.gz -C "$tests" programs/common.sh
mkdir -p nothing/train/cat nothing/train/dog
cp "$bad/images/text.png" nothing/train/dog
while read -r name words; do
    refuse 1 "$work/$name" "$words" "$train" "$small" --data "$name" --out never
done <<'DATA'
text.tar.gz  not tar zip archive
other.tar.gz CIFAR-10 CIFAR-100 neither
nothing      /train: none of 1 image files in 2 class folders
DATA
ok "archives that are no CIFAR, and a folder without a usable picture"

# Pictures, with a model of one epoch.
succeed "$train" "$small" --epochs 1 --out run
model=run/model.safetensors
image_cases="
absurd.png    2000000000 pixels
empty.jpg     truncated
giant.png     20000 pixels
huffman.jpg   damaged Huffman
text.png      expected PNG
truncated.bmp truncated
truncated.gif truncated
truncated.jpg truncated
truncated.png truncated"
count=0
while read -r name words; do
    [[ $name ]] || continue
    refuse 1 "$bad/images/$name: " "$words" "$infer" "$model" "$bad/images/$name"
    count=$((count + 1))
done <<<"$image_cases"
[[ $count == "$(find "$bad/images" -type f | wc -l)" ]] ||
    fail "tests/bad/images has files that are not in the list above"
ok "$count bad pictures"

# A model cut anywhere, and one with a byte of its header changed.
size=$(stat -c %s "$model")
for bytes in 0 1 7 8 9 100 $((size / 2)) $((size - 1)); do
    head -c "$bytes" "$model" >cut.safetensors
    refuse 1 cut.safetensors "" "$infer" cut.safetensors "$tests/images/shirt.png"
done
cp "$model" changed.safetensors
printf '!' | dd of=changed.safetensors bs=1 seek=8 conv=notrunc status=none
refuse 1 changed.safetensors "JSON" "$infer" changed.safetensors "$tests/images/shirt.png"
ok "a model cut short at 8 places, and a changed header"

# Options.
while IFS='|' read -r wanted words arguments; do
    [[ $wanted ]] || continue
    # shellcheck disable=SC2086
    refuse "$wanted" "" "$words" "$train" "$small" $arguments
done <<'OPTIONS'
2|--nope --help|--nope
2|--epochs value|--epochs
2|epochs x whole|--epochs x
2|epochs 0|--epochs 0
2|batch 12x|--batch 12x
2|--threads 0|--threads 0
2|--limit -1|--limit -1
2|2 0.9|--val-fraction 2
2|half compact spectral|--save half
2|conv.size value|--set conv.size
2|conv[9] conv[1]|--set conv[9].size=3
2|cnv|--set cnv.size=3
2|filtres filters|--set conv[1].filtres=3
2|--resume --init|--resume --init x
2|one cfg|more.cfg
2|tpu auto cpu|--device tpu
1|nowhere/checkpoint.safetensors|--resume --out nowhere
1|nowhere|--init nowhere
OPTIONS
refuse 2 "" "cfg --help" "$train"
refuse 2 "" "model --help" "$infer"
refuse 2 "" "--data --help" "$infer" "$model"
refuse 2 "" "--csv --json" "$infer" "$model" a.png --csv --json
refuse 2 "" "--top 0" "$infer" "$model" a.png --top 0
refuse 2 "" "cfg model" "$info"
refuse 2 "nowhere.cfg: " "" "$train" nowhere.cfg
refuse 1 "nowhere.safetensors: " "" "$infer" nowhere.safetensors a.png
refuse 1 "nowhere.png: " "" "$infer" "$model" nowhere.png
refuse 2 "nowhere.cfg: " "" "$info" nowhere.cfg
# A path in a cfg is of the cfg's folder; one on the command line of the current folder.
mkdir -p elsewhere pictures/a
cp "$tests/images/shirt.png" pictures/a
sed 's|^data=.*|data=pictures|' "$small" >elsewhere/paths.cfg
refuse 2 "" "elsewhere/pictures" "$train" elsewhere/paths.cfg --out never
succeed "$info" elsewhere/paths.cfg --data pictures
ok "paths of a cfg and of --data"

run "$train" "$small" --data fashoin-mnist --out never
[[ $code != 0 && $(wc -l <err) == 1 ]] || fail "unknown data set: code $code, $(cat err)"
has err fashoin-mnist fashion-mnist
[[ ! -e never && ! -e runs && ! -e nowhere ]] || fail "a refused command left a folder behind"
ok "wrong options and missing files, and none of them left a folder"

if [[ -e /dev/nvidiactl || -e /dev/dxg ]]; then
    skip "--device cuda without a GPU: this machine has one"
else
    refuse 1 "" "CUDA" "$train" "$small" --device cuda --out never
    refuse 1 "" "CUDA" "$infer" "$model" "$tests/images/shirt.png" --device cuda
    ok "--device cuda without a GPU"
fi

# Places that cannot be written to; a file in the way serves for root too.
refuse 1 "$model: " "directory" "$train" "$small" --out "$model/x"
refuse 1 "/proc/fcnn" "" "$train" "$small" --out /proc/fcnn/x
ok "--out where nothing can be written"

# A disk that fills up, as a limit of 4 KiB a file: what was saved before stays.
succeed "$train" "$small" --set net.schedule=constant --epochs 1 --out full
cp -r full kept
constant=(--set net.schedule=constant --epochs 2 --resume --out full)
(
    ulimit -f 4
    run "$train" "$small" "${constant[@]}"
    [[ $code == 1 && $(tail -n 1 err) == "fcnn-train: full/model-next.safetensors: "*"File too large" ]] ||
        fail "a full disk: exit code $code, $(cat err)"
) || exit 1
for file in model.safetensors checkpoint.safetensors; do
    cmp "full/$file" "kept/$file" || fail "a full disk changed $file"
done
# The log has the epoch that could not be saved, too; a resume cuts it off.
head -n "$(wc -l <kept/log.csv)" full/log.csv | cmp - kept/log.csv || fail "a full disk changed log.csv"
succeed "$train" "$small" "${constant[@]}"
ok "a full disk: a clear message, what was saved stays, and the run goes on later"

# What was meant is told: another kind of file, another program's option, a name with a slip.
shirt=$tests/images/shirt.png
cp "$source_root/models/lenet.cfg" .
cp full/model.safetensors a-model
printf '[net]\n[fft]\nsize=9\n[global_avg_pool]\n[softmax]\n' >foreign.cfg
refuse 1 "lenet.cfg: expected a model" "cfg" "$infer" lenet.cfg "$shirt"
refuse 1 "$shirt: expected a model" "PNG" "$infer" "$shirt" "$shirt"
refuse 1 "full: expected a model" "folder model.safetensors" "$infer" full "$shirt"
refuse 2 "$shirt: expected a cfg" "PNG" "$train" "$shirt" --out never
refuse 2 "a-model: expected a cfg" "model" "$train" a-model --out never
refuse 2 "full is the folder of a run" "--resume" "$train" full --out never
refuse 2 "lenett.cfg: cannot be opened" "lenet.cfg" "$train" lenett.cfg --out never
refuse 2 "lenet: cannot be opened" "lenet.cfg" "$train" lenet --out never
refuse 2 "unknown option --lr" "--set net.learning_rate" "$train" "$small" --lr 0.1
refuse 2 "unknown option --weight-decay=1" "--set net.weight_decay" "$train" "$small" --weight-decay=1
refuse 2 "--set learning_rate=1: " "net.learning_rate=1" "$train" "$small" --set learning_rate=1
refuse 2 "unknown data set 'fashon-mnist'" "fashion-mnist'?" "$train" "$small" --data fashon-mnist
refuse 2 "foreign.cfg:4: " "global_avg_pool fourier_pool size=1" "$train" foreign.cfg --out never
ok "what was meant is told"

# hint "WORDS" OPTION...: fcnn-train refuses the options, and its message has each of the words.
hint() {
    local words=$1
    shift
    refuse 2 "" "$words" "$train" "$small" --out never "$@"
}
while IFS='|' read -r words options; do
    # shellcheck disable=SC2086
    hint "$words" $options
done <<'OPTIONS'
net.learning_rate=0.1;|--lr=0.1
net.learning_rate=0.1;|--lr 0.1
net.learning_rate=VALUE|-lr 0.1
net.learning_rate=2e-3;|--learning-rate=2e-3
--epochs?|--epochss 3
--epochs)|-epochs 3
--epochs?|--EPOCHS=3
--epochs?|--num-epochs 3
--batch?|--batchsize 4
--batch?|--batch_size 4
--batch?|--batch-size=4
--batch?|--bacth 4
--val-fraction?|--val_fraction 0.2
--val-fraction?|--validation-split 0.2
--find-rate?|--find_rate
--find-rate?|--lr-find
--threads?|--num-workers=4
--device|--gpu
--help)|-h
--resume?|--checkpoint x
--init?|--pretrained x
net.optimizer=adam;|--adam
dropout.rate=0.3;|--dropout=0.3
fft.size=64;|--imgsz=64
--epochs|—epochs 3
'net.learning_rate=1'?|--set lr=1
'learning_rate'?|--set net.lr=1
'batch'?|--set net.Batch=4
'net'?|--set Net.batch=4
'conv[2]'?|--set conv2.filters=4
'fourier_pool'?|--set fourier-pool[1].size=3
'filters'?|--set conv[1].out_channels=4
'size'?|--set conv[1].kernel_size=3
'relu'?|--set conv[1].activation=ReLU
'leaky_relu'?|--set conv[1].activation=LeakyReLU
'linear'?|--set conv[1].activation=none
'batch'?|--set conv[1].norm=BatchNorm2d
'sgd'?|--set net.optimizer=SGD
'adamw'?|--set net.optimizer=AdamW
'cosine'?|--set net.schedule=cos
'space'?|--set net.domain=spatial
(yes)|--set net.augment_mirror=true
OPTIONS
ok "options, keys and values of other programs, and slips of case, dashes and letters"

while IFS='|' read -r section words; do
    printf '[net]\n[fft]\nsize=9\n[%s]\n[softmax]\n' "$section" >foreign.cfg
    refuse 2 "foreign.cfg:4: unknown section [$section]" "$words" "$info" foreign.cfg
done <<'SECTIONS'
Conv|'conv'?
conv2d|[conv]
Conv2D|[conv]
linear|[dense]
Linear|[dense]
FC|[dense]
maxpool|[max_pool] [fourier_pool]
MaxPool2d|[max_pool] [fourier_pool]
GlobalAveragePooling2D|[fourier_pool] size=1
adaptive_avg_pool2d|[fourier_pool] size=1
BatchNorm2d|norm=batch
Flatten|[dense]
ReLU|activation=
sofmax|'softmax'?
FFT|'fft'?
dense2|'dense'?
SECTIONS
ok "sections of other languages"

printf '\x93NUMPY\1\0 and what follows it' >array.npy
: >empty
echo hello >text
for case in array.npy:"a NumPy array" empty:"an empty file" text:"a text" lenet.cfg:"a cfg"; do
    refuse 1 "${case%%:*}: expected a model (safetensors), found ${case#*:}" "" "$infer" "${case%%:*}" "$shirt"
    refuse 1 "${case%%:*}: expected a model (safetensors), found ${case#*:}" "" "$train" "$small" --init "${case%%:*}" --out never
    grep -q 'header length [0-9]' err && fail "a length of a header: $(<err)"
done
cp a-model lenet.safetensors
refuse 1 "lennet.safetensors: cannot be opened" "'lenet.safetensors'?" "$infer" lennet.safetensors "$shirt"
[[ ! -e never ]] || fail "a refused command left a folder behind"
ok "what is no model is named by what it is"
