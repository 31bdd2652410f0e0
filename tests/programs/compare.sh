#!/usr/bin/env bash
# fcnn-compare: which variants a cfg has, what is refused, the results recomputed
# from the logs, and runs that are repeated by hand, never repeated by the
# program, interrupted, resumed, and failing.
source "$(dirname "$0")/common.sh"
compare=$build/fcnn-compare
# Both pools of small.cfg, 13 to 7 and 7 to 5, but the second to 3.
sed 's/^size=5$/size=3/; s/^epochs=3/epochs=2/' "$small" >net.cfg

# ---- The variants ----

succeed "$compare" net.cfg --list --pool fourier,max,average --activation srelu,relu,modrelu \
    --domain frequency,space
[[ $(grep -cE '^(variant|refused: variant) ' out) == 18 ]] || fail "expected 3 x 3 x 2 variants: $(<out)"
has out 'variant srelu-fourier-frequency: resident, ' 'variant relu-fourier-frequency: fused, ' \
    'variant srelu-max-frequency: fused, ' 'variant relu-average-space: space, ' \
    'pools 13 to 7 by size=3 stride=2 pad=1, 7 to 3 by size=3 stride=2' \
    'variant modrelu-fourier-space: net.cfg:20: [conv] activation=modrelu'
[[ ! -e runs ]] || fail "--list made a folder"
ok "--list: 18 variants, and why 3 of them cannot be"

refuse 2 "variant modrelu-max-space: net.cfg:" "activation=modrelu" \
    "$compare" net.cfg --pool max --activation relu,modrelu --domain frequency,space
refuse 2 "variant srelu+modrelu-max-frequency: $small:$(grep -n '^size=5' "$small" | cut -d: -f1): " \
    "7x7 5x5 3x3 4x4 pad=1 size=3" "$compare" "$small" --pool max
refuse 2 "--pool maximum" "fourier max average" "$compare" net.cfg --pool fourier,maximum
refuse 2 "--activation" "srleu srelu" "$compare" net.cfg --activation relu,srleu
refuse 2 "--domain" "time frequency space" "$compare" net.cfg --domain time
refuse 2 "--pool max,fourier,max" "max twice" "$compare" net.cfg --pool max,fourier,max
refuse 2 "--repeats 0" "1 1000" "$compare" net.cfg --repeats 0
refuse 2 "expected one cfg" "0 --help" "$compare" --pool max
refuse 2 "unknown option --pol" "" "$compare" net.cfg --pol
refuse 2 "the data has no validation images" "--val-fraction" "$compare" net.cfg \
    --data synthetic:classes=4,size=14,channels=1,train=64,val=0
grep -v pool net.cfg | sed '/^size=[73]$/d; s/^filters=6/&\nsize=3/' >unpooled.cfg
refuse 2 "unpooled.cfg: --pool" "no pooling" "$compare" unpooled.cfg --pool max
[[ ! -e runs ]] || fail "a refused comparison made a folder"
ok "variants that cannot be, and wrong options: refused before anything is made"

# A shortcut that names a pool names the one that takes its place.
sed 's/from=-2/from=fourier_pool1/' net.cfg >named.cfg
succeed "$compare" named.cfg --list --pool max,average
has out 'variant srelu+modrelu-average-frequency: fused'
ok "a shortcut from a pool follows the swap"

# ---- Results ----

succeed "$compare" net.cfg --activation srelu,relu --domain frequency,space --repeats 2 --out two
mv out table
[[ $(grep -c '^run [0-9]* of 8: ' err) == 8 ]] || fail "expected a line a run: $(<err)"
has err 'run 1 of 8: srelu-fourier-frequency seed 7: ' 'run 5 of 8: srelu-fourier-frequency seed 8: ' \
    '; 100 % done'
[[ $(wc -l <two/compare.csv) == $((1 + 4 * 2 * 2)) ]] || fail "rows: $(<two/compare.csv)"
[[ $(head -1 two/compare.csv) == pool,activation,domain,label,seed,epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second ]] ||
    fail "the head of compare.csv: $(head -1 two/compare.csv)"
for name in srelu-fourier-frequency relu-fourier-frequency srelu-fourier-space relu-fourier-space; do
    IFS=- read -r activation pool domain <<<"$name"
    # Error of both last epochs: mean and sample deviation; means of the losses; median time.
    want=$(tail -qn 1 two/$name/seed{7,8}/log.csv | awk -F, '
        { e[NR] = 100 * (1 - $6); loss += $5 / 2; train += $3 / 2 }
        END { d = e[1] - e[2]
              printf "%.2f +- %.2f %.4f %.4f", (e[1] + e[2]) / 2, sqrt(d * d / 2), loss, train }')
    median=$(tail -qn 2 two/$name/seed{7,8}/log.csv | cut -d, -f7 | sort -n |
        awk '{ s[NR] = $1 } END { printf "%.3f", (s[2] + s[3]) / 2 }')
    row=$(awk -v p="$pool" -v a="$activation" -v d="$domain" \
        '$1 == p && $2 == a && $3 == d { print $6, $7, $8, $9, $10; time = $11; runs = $12 }
         END { print time, runs }' table | tr '\n' ' ')
    read -r -a cells <<<"$row"
    for i in 0 2 3 4; do # a unit of the last digit for decimal rounding
        awk -v a="${cells[i]}" -v w="$want" -v i=$((i + 1)) \
            'BEGIN { split(w, x, " "); d = a - x[i]; exit !(d * d <= (i > 3 ? 1.1e-4 : 1.1e-2) ^ 2) }' ||
            fail "$name: $row, expected $want"
    done
    awk -v a="${cells[5]}" -v w="$median" 'BEGIN { exit !((a - w) ^ 2 <= 0.0051 ^ 2) }' ||
        fail "$name: median ${cells[5]}, expected $median"
    [[ ${cells[6]} == 2 ]] || fail "$name: runs in $row"
    for seed in 7 8; do
        [[ $(awk -F, -v s=$seed -v a="$activation" -v d="$domain" \
            '$2 == a && $3 == d && $5 == s' two/compare.csv | cut -d, -f6-12) == \
            "$(tail -n 2 two/$name/seed$seed/log.csv | cut -d, -f1,3-8)" ]] ||
            fail "$name seed $seed: compare.csv is not its log"
    done
done
ok "table and compare.csv: means, deviations and medians of the 8 logs"

[[ $(grep -c '^| fourier ' two/compare.md) == 4 ]] || fail "compare.md: $(<two/compare.md)"
has two/compare.svg '</svg>' 'fourier, srelu, resident' 'fourier, relu, space' 'stroke-dasharray'
if ! sanitized && command -v python3 >/dev/null; then
    python3 -c 'import xml.dom.minidom as x; x.parse("two/compare.svg")' || fail "compare.svg is no XML"
fi
ok "compare.md and compare.svg"

command=$(sed -n '1s/^\$ //p' two/relu-fourier-space/seed8.log)
run bash -c "${command//two\/relu-fourier-space\/seed8/hand}"
[[ $code == 0 ]] || fail "$command: $(<err)"
same_run two/relu-fourier-space/seed8 hand
ok "a run repeated by hand with the first line of its log: the same bits"

# ---- What is there already ----

find two -name '*.safetensors' -printf '%p %T@ %i\n' | sort >before
succeed "$compare" net.cfg --activation srelu,relu --domain frequency,space --repeats 2 --out two
diff table out >/dev/null || fail "another table: $(<out)"
! grep '^run ' err || fail "a finished run was repeated"
find two -name '*.safetensors' -printf '%p %T@ %i\n' | sort | cmp - before || fail "files changed"
succeed "$compare" net.cfg --activation relu --domain frequency --repeats 3 --out two/
[[ $(grep -c '^run ' err) == 1 ]] || fail "expected one run more: $(<err)"
has err 'run 3 of 3: relu-fourier-frequency seed 9: '
ok "finished runs are not repeated; one repeat more is one run"

again=("$compare" net.cfg --activation relu --domain frequency --out two)
refuse 2 "two/relu-fourier-frequency.cfg: " "batch=32 batch=16 --fresh two.old" "${again[@]}" --batch 16
refuse 2 "two/relu-fourier-frequency.cfg: " "--limit --fresh" "${again[@]}" --limit 128
has two/relu-fourier-frequency.cfg 'batch=32'
succeed "${again[@]}" --batch 16 --fresh
has err 'the earlier comparison is now in two.old' 'run 1 of 1'
[[ -e two.old/srelu-fourier-space/seed8/model.safetensors ]] || fail "--fresh lost a run"
ok "another cfg or another --limit: refused; --fresh keeps the old folder"

# ---- Interrupted ----

long=(--data "synthetic:classes=4,size=14,channels=1,train=1024,val=64" --epochs 6)
succeed "$compare" net.cfg --activation srelu,relu "${long[@]}" --out whole
log=stopped/relu-fourier-frequency/seed7/log.csv
for ((try = 0; try < 200; try++)); do # where many programs run, the signal may come too late
    rm -rf stopped
    interrupt 0 "[[ -e $log && \$(wc -l <$log) -ge 2 ]]" \
        "$compare" net.cfg --activation srelu,relu "${long[@]}" --out stopped
    [[ ! -e $log || $(wc -l <$log) -ge 7 ]] || break
done
[[ $code == 130 ]] || fail "exit code $code after SIGINT, expected 130: $(<err)"
has stopped/relu-fourier-frequency/seed7.log 'interrupted in epoch' 'to go on: '
[[ $(wc -l <stopped/compare.csv) == 7 ]] || fail "the first run's results: $(<stopped/compare.csv)"
command=$(sed -n 's/^interrupted; to go on: //p' err)
[[ $command ]] || fail "no command to go on: $(<err)"
run bash -c "$command"
[[ $code == 0 ]] || fail "$command: $(<err)"
[[ $(grep -c '^run ' err) == 1 ]] || fail "expected the second run alone: $(<err)"
has stopped/relu-fourier-frequency/seed7.log 'resuming after epoch'
for name in srelu relu; do
    same_run whole/$name-fourier-frequency/seed7 stopped/$name-fourier-frequency/seed7
done
ok "Ctrl-C: exit code 130, the first run's results; the same command goes on to the same bits"

# ---- Failing ----

mkdir -p failing/relu-fourier-frequency
: >failing/relu-fourier-frequency/seed7 # a file where the run's folder would be
run "$compare" net.cfg --activation srelu,relu,gelu --out failing
[[ $code == 1 ]] || fail "exit code $code where a run fails: $(<err)"
has err 'fcnn-compare: relu-fourier-frequency seed 7: fcnn-train ended with exit code 1' \
    'failing/relu-fourier-frequency/seed7.log ends with:' 'fcnn-train: failing/relu-fourier-frequency/seed7' \
    '1 of 3 runs failed' 'run 3 of 3: gelu-fourier-frequency seed 7'
! grep -F '\x0a' err || fail "lines run together"
[[ $(wc -l <failing/compare.csv) == 5 && -e failing/srelu-fourier-frequency/seed7/model.safetensors ]] ||
    fail "the other runs' results are lost"
rm failing/relu-fourier-frequency/seed7
succeed "$compare" net.cfg --activation srelu,relu,gelu --out failing
[[ $(grep -c '^run ' err) == 1 ]] || fail "expected the second run alone: $(<err)"
ok "a failing run: its last lines, exit code 1, and the others' results stay"

# ---- The data options of fcnn-train ----

alone=synthetic:classes=4,size=14,channels=1,train=256,val=0
same=("$compare" net.cfg --data "$alone" --activation srelu,relu --epochs 1 --val-fraction 0.25)
succeed "${same[@]}" --cache kept --out held
has held/srelu-fourier-frequency.cfg "val_fraction=0.25" "cache=$PWD/kept"
[[ $(find kept -type f | wc -l) -ge 1 ]] || fail "nothing is cached: $(ls -R kept)"
has out "validation"
find held -name '*.safetensors' -printf '%p %T@ %i\n' | sort >before
succeed "${same[@]}" --cache kept --out held --resume
find held -name '*.safetensors' -printf '%p %T@ %i\n' | sort | cmp - before || fail "--resume trained again"
refuse 2 "--fresh and --resume" "" "${same[@]}" --cache kept --out held --resume --fresh
refuse 2 "held/srelu-fourier-frequency.cfg: " "val_fraction --fresh" \
    "$compare" net.cfg --data "$alone" --activation srelu,relu --epochs 1 --val-fraction 0.5 --cache kept --out held
refuse 2 "val_fraction=1.5" "0.9" "$compare" net.cfg --data "$alone" --val-fraction 1.5
ok "--val-fraction, --cache and --resume"

model=held/srelu-fourier-frequency/seed7/model.safetensors
succeed "${same[@]}" --activation srelu --init $model --out warm
has warm/srelu-fourier-frequency.cfg "--init $model"
has warm/srelu-fourier-frequency/seed7.log "taken: conv1, conv2, dense1, dense2: all "
refuse 1 "gone.safetensors: cannot be read" "" "${same[@]}" --init gone.safetensors --out cold
[[ ! -e cold ]] || fail "a folder of nothing"
succeed "$compare" --help-cfg
has out "[fourier_pool]"
ok "--init starts every run from a model"
