#!/usr/bin/env bash
# fcnn-train --find-rate: the same curve for any number of threads, for every optimizer, domain and
# way to train; it proposes a rate that trains, ends where the loss does or a user wants it, and
# leaves nothing but a page.
# usage: find_rate.sh BUILD_FOLDER
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

data=synthetic:classes=4,size=14,channels=1,train=256,val=64
find=("$train" "$small" --data "$data" --find-rate)
proposal() { sed -nE 's/^use +--set net\.learning_rate=([0-9.e-]+)$/\1/p' "${1:-out}"; }
within() { awk -v v="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(v + 0 >= a && v + 0 <= b) }'; }

for threads in 1 2 3; do
    succeed "${find[@]}" --threads $threads
    grep -v '^device\|^page\|^peak' out >drawn-$threads
    [[ -z $(proposal) ]] && fail "no proposal: $(<out)"
done
cmp drawn-1 drawn-2 && cmp drawn-1 drawn-3 || fail "threads: the curves differ"
[[ $(ls runs) == $'small-rate-2.html\nsmall-rate-3.html\nsmall-rate.html' ]] || fail "runs: $(ls runs)"
[[ $(ls) == $'drawn-1\ndrawn-2\ndrawn-3\nerr\nout\nruns' ]] || fail "left behind: $(ls)"
for page in runs/small-rate-2.html runs/small-rate-3.html; do
    cmp <(grep -v fcnn-train runs/small-rate.html) <(grep -v fcnn-train $page) || fail "$page differs"
done
has out "runs/small-rate-3.html" "where the loss"
awk '/^rates/ { below = 1 } below && length($0) > 80 { exit 1 }' out || fail "wider than 80 columns: $(<out)"
[[ -s err ]] && fail "messages: $(<err)"
ok "the same curve, proposal and page for 1, 2 and 3 threads; nothing else is left"

python3 - runs/small-rate.html <<'PY' || fail "the page"
import re, sys
from html.parser import HTMLParser
text = open(sys.argv[1], encoding="utf-8").read()
HTMLParser().feed(text)
assert "{{" not in text and "<script" not in text and text.count("<svg") == 1, "parts"
ticks = re.findall(r'text-anchor="middle">([0-9e.-]+)</text>', text)
assert ticks[:7] == ["1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1", "1"][: len(ticks[:7])], ticks
assert not re.search(r"nan|inf\b", re.sub(r"<style>.*?</style>", "", text, flags=re.S)), "numbers"
xs = [float(x) for x in re.findall(r"[ML]([0-9.]+) [0-9.]+", text.split("</h2>")[1].split("<g ")[0])]
assert xs and min(xs) >= 62 and max(xs) <= 62 + 425, (min(xs), max(xs))
PY
ok "the page has one chart, with a logarithmic axis"

rate=$(proposal)
within "$rate" 0.0005 0.1 || fail "a rate of $rate for small.cfg"
succeed "$train" "$small" --data "$data" --set net.learning_rate="$rate" --epochs 6 --quiet --out trained
accuracy=$(sed -nE 's/^.* accuracy ([0-9.]+), .*/\1/p' out)
within "$accuracy" 0.8 1 || fail "an accuracy of $accuracy with the rate $rate"
succeed "$train" "$small" --data "$data" --set net.learning_rate=1e-6 --epochs 6 --quiet --out slow
within "$(sed -nE 's/^.* accuracy ([0-9.]+), .*/\1/p' out)" 0 0.6 || fail "any rate trains this"
ok "a rate of $rate trains to $accuracy"

for options in "--set net.optimizer=sgd" "--set net.optimizer=adam" "--set net.domain=space --set conv[2].activation=relu" \
    "--set net.augment_mirror=1 --set net.augment_shift=2 --set net.augment_jitter=0.1 --set net.mixup=0.3" \
    "--set net.subdivisions=4" "--set net.bands=0.4:1,1.0:" "--set net.clip_norm=1" "--batch 4" \
    "--set net.class_weights=balanced --set net.warmup_epochs=1" "--limit 12" "--val-fraction 0.2" \
    "--init trained/model.safetensors"; do
    # shellcheck disable=SC2086
    succeed "${find[@]}" $options --quiet
    [[ $(proposal) ]] || fail "no proposal with $options: $(<out)"
    cp out "with ${options//\//_}"
done
within "$(proposal "with --set net.optimizer=sgd")" 0.005 2 || fail "sgd: $(proposal "with --set net.optimizer=sgd")"
succeed "${find[@]}" --set net.schedule=constant --quiet
within "$(proposal)" 0 "$(awk -v r="$rate" 'BEGIN { print r / 2 }')" || fail "a constant rate of $(proposal) beside $rate"
ok "with every optimizer, domain, augmentation, part and start"

kept=$(cksum trained/*)
succeed "${find[@]}" --out trained
[[ $(cksum trained/[!r]* trained/report.html | sort) == "$(sort <<<"$kept")" && -s trained/rate.html ]] ||
    fail "a run's folder: $(ls trained)"
succeed "${find[@]}" --out trained --quiet
succeed "$train" "$small" --data "$data" --epochs 1 --quiet --out trained
[[ -s trained.old/rate.html && ! -e trained/rate.html ]] || fail "the page is not the run's: $(ls trained trained.old)"
mkdir mine
echo mine >mine/rate.html
refuse 2 "--out mine/rate.html: is a file of another kind" "" "${find[@]}" --out mine
[[ $(<mine/rate.html) == mine ]] || fail "a user's file is gone"
succeed "${find[@]}" --out fresh --quiet
succeed "$train" "$small" --data "$data" --epochs 1 --quiet --out fresh
refuse 2 "--find-rate and --resume exclude each other" "" "${find[@]}" --resume --out trained
refuse 2 "--find-rate and --resume exclude each other" "" "$train" trained --resume --find-rate
ok "no run is displaced, and --resume is refused"

run "${find[@]}" --set net.learning_rate=0.01 --set conv[1].activation=square --set conv[1].norm=none
[[ $code == 0 || $code == 1 ]] || fail "a loss that is not finite: $code $(<err)"
has out "where the loss"
ok "a loss that diverges is an end, not an error"

interrupt 0 '[[ -s out ]]' "${find[@]}" --batch 128 --data "synthetic:classes=4,size=14,channels=1,train=60000,val=64" --set fft.size=61
[[ $code == 130 ]] || fail "Ctrl-C: exit code $code: $(cat out err)"
has err "interrupted"
interrupt 1 '[[ -s out ]]' "${find[@]}" --batch 128 --data "synthetic:classes=4,size=14,channels=1,train=60000,val=64" --set fft.size=61
[[ $code == 130 ]] && { has err "interrupted"; has out "where it was interrupted" "page"; }
[[ $code == 130 || $code == 0 ]] || fail "Ctrl-C: exit code $code: $(cat out err)"
ok "Ctrl-C draws what there is"

code=0
"${find[@]}" --quiet >/dev/full 2>err || code=$?
[[ $code == 1 ]] && has err "standard output could not be written"
echo mine >blocked
succeed "${find[@]}" --quiet --out blocked
has err "the page could not be written"
[[ $(proposal) && $(<blocked) == mine ]] || fail "no proposal: $(<out)"
ok "what cannot be written is told, and the proposal is there"
