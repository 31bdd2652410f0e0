#!/usr/bin/env bash
# tests/inject/run.sh BUILD [--every N] [--most M] [--only NAME] [--jobs J]
# One call fails in each run of a program: an allocation, a thread, or a system call on a file
# (inject.c). Every run must end with exit code 0 and the files of an undisturbed run, or with those
# that can be told to be missing, and a warning; or with exit code 1 or 2, a message, and every file
# as it was or as it was to be. A signal, a hang, a sanitizer's report, a file that is damaged or
# lost, is a fault. Libraries that end the program themselves are counted apart.
#
# By default the first call of each call site fails, which covers all sites; --every N takes each
# Nth of all calls, --every 1 all; --most M takes M of them.
source "$(dirname "$0")/../programs/common.sh"
shift
every=0 most=0 only='' jobs=$(($(nproc) < 10 ? $(nproc) : 10))
while (($#)); do
    case $1 in
        --every) every=$2 ;;
        --most) most=$2 ;;
        --only) only=$2 ;;
        --jobs) jobs=$2 ;;
        *) fail "unknown option $1" ;;
    esac
    shift 2
done

# ---- What is tried ----

# The library that is preloaded must not be instrumented itself.
cc -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-builtin -shared -fPIC \
    "$tests/inject/inject.c" -o inject.so -ldl || fail "inject.c does not compile"
preload=$work/inject.so
if sanitized; then
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}:verify_asan_link_order=0:allocator_may_return_null=1
    # The loader's own, which the leak check knows by who calls malloc, and the C library's environment
    # and locales.
    printf 'leak:%s\n' _dl_ dl_open ld-linux libgomp libopenblas libfftw3f __add_to_environ \
        _nl_normalize_codeset >suppressions
    export LSAN_OPTIONS=suppressions=$work/suppressions:print_suppressions=0
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

cfg=$tests/inject/tiny.cfg
with=("$train" "$cfg" --out run --threads 1 --quiet)
mkdir -p pictures/train/{a,b} pictures/val/{a,b}
for i in 1 2 3 4; do
    cp "$tests/images/shirt.png" "pictures/train/a/$i.png"
    cp "$tests/images/pullover.png" "pictures/train/b/$i.png"
done
cp "$tests/images/shirt.png" pictures/val/a
cp "$tests/images/pullover.png" pictures/val/b
tar -czf pictures.tar.gz pictures

# The folder that a program finds, start/NAME, and its command.
scenarios=(train cache reuse pictures packed resume init infer folder page score info bench convert onnx library)
for name in "${scenarios[@]}"; do mkdir -p "start/$name"; done
succeed "$train" "$cfg" --out "$work/start/resume/run" --threads 1 --quiet
model=$work/start/resume/run/model.safetensors
for name in init infer folder page score info convert onnx library; do cp "$model" "start/$name"; done
succeed "$train" "$cfg" --out "$work/first" --threads 1 --quiet --cache "$work/start/reuse/kept"
command_of() {
    case $1 in
        train) command=("${with[@]}") ;;
        cache | reuse) command=("${with[@]}" --cache "$PWD/kept") ;;
        pictures) command=("${with[@]}" --data "$work/pictures") ;;
        packed) command=("${with[@]}" --data "$work/pictures.tar.gz") ;;
        resume) command=("${with[@]}" --epochs 2 --resume) ;;
        init) command=("${with[@]}" --init model.safetensors --val-fraction 0.25) ;;
        infer) command=("$infer" model.safetensors "$tests/images/shirt.png" --json --top 2 --threads 1) ;;
        page) command=("$infer" model.safetensors "$tests/images/shirt.png" --picture page.html
            --features conv1 features.npy --threads 1) ;;
        folder) command=("$infer" model.safetensors "$work/pictures" "$work/pictures.tar.gz" --csv --threads 1) ;;
        score) command=("$infer" model.safetensors --data synthetic:classes=2,size=8,channels=1,train=12,val=6
            --confusion confusion.csv --threads 1) ;;
        info) command=("$info" model.safetensors) ;;
        bench) command=("$build/fcnn-bench" conv --json --size 8 --kernel 3 --channels 1 --filters 2 --batch 1
            --algorithm direct,resident --repeats 1 --threads 1) ;;
        convert) command=("$build/fcnn-convert" model.safetensors --form spectral --type half --out spectral.safetensors) ;;
        onnx) command=("$build/fcnn-convert" model.safetensors --onnx network.onnx --size 12x9) ;;
        library) command=("$build/tests/inject_library" model.safetensors) ;;
    esac
}

# ---- What a run leaves, without times ----

# digest FOLDER: a line a file: its name and a sum of what does not change from run to run.
digest() {
    (
        cd "$1"
        find . -type f ! -name '*.spectra' ! -name .lock ! -name err \
            ! -name report.html ! -name log.csv ! -name out ! -name checkpoint.safetensors -print0 |
            sort -z | xargs -0r md5sum
        # It names its cache's folder, which is each job's own: their names are equally long.
        for file in $(find . -name checkpoint.safetensors); do
            echo "$(LC_ALL=C sed "s|$work/at[0-9]/|at/|g" "$file" | md5sum | cut -c1-32)  $file"
        done
        for file in $(find . -name log.csv); do
            echo "$(cut -d, -f1-6,9- "$file" | md5sum | cut -c1-32)  $file"
        done
        # Of the report, all but what is measured: that it is whole is told by its end.
        for file in $(find . -name report.html); do
            echo "$(tail -c 200 "$file" | tr -d '0-9.' | md5sum | cut -c1-32)  $file"
        done
        echo "$(sed -E '/^seconds:|^peak resident|on [0-9]+ random images/d
            s/[0-9.]+ ms an image//; s/"ms_per_image": [0-9.]+//
            /"ceiling_gflops":/,$d' out | md5sum | cut -c1-32)  ./out"
    )
}

# execute VARIABLE=VALUE...: the command in a fresh folder `at`; its exit code is $code.
execute() {
    rm -rf "$at"
    cp -r "$work/start/$name" "$at"
    code=0
    { # what bash says of a program that aborts
        (
            cd "$at"
            command_of "$name"
            # Of the program alone: its filter would end one that it starts.
            exec timeout -k 5 60 env "$@" LD_PRELOAD="$preload" "${command[@]}" >out 2>err </dev/null
        ) || code=$?
    } 2>/dev/null
}

# ---- One run ----

# Files that may be absent after a warning; without the others there is no exit code 0.
optional='report\.html|steps\.csv|\.spectra|\.lock'

# judge: prints what became of a run: "right", "warned", "refused", "library NAME" or "FAULT why".
judge() {
    local kind caller line bad
    read -r kind caller <"$at.log" 2>/dev/null || { echo "- missed"; return; }
    # A sanitizer has no way on where its own allocation fails.
    if grep -q 'CHECK failed: sanitizer_' "$at/err"; then echo "$kind library sanitizer"; return; fi
    if grep -qE 'Sanitizer|runtime error:' "$at/err"; then
        # These free what they have not allocated.
        case $caller in libgfortran | libquadmath | libopenblas*) echo "$kind library $caller"; return ;; esac
        echo "$kind FAULT sanitizer: $(grep -m1 -E 'Sanitizer|runtime error:' "$at/err")"
        return
    fi
    if ((code == 124 || code == 137)); then echo "$kind FAULT hang (called by $caller)"; return; fi
    digest "$at" >"$at.now"
    # A file that neither was there before nor is what it was to be.
    bad=$(grep -vxFf "$work/$name.before" "$at.now" | grep -vxFf "$work/$name.after" |
        grep -vE '  \./out$' || true)
    if ((code == 0)); then
        # And those that are missing.
        bad+=$(grep -vxFf "$at.now" "$work/$name.after" || true)
        if [[ ! $bad ]]; then echo "$kind right"; return; fi
        if grep -qE 'warning|problem|no cache|is made anew' "$at/err" &&
            { [[ $kind != allocation ]] || ! grep -qvE "$optional" <<<"$bad"; } && loadable; then
            echo "$kind warned"
        else
            echo "$kind FAULT exit code 0 and other files: $(tr '\n' ' ' <<<"$bad") $(tail -n1 "$at/err")"
        fi
        return
    fi
    lost=$(sed 's/.*  //' "$work/$name.before" | while read -r file; do
        [[ -e $at/$file ]] || echo "$file"
    done)
    if [[ $lost ]]; then echo "$kind FAULT exit code $code, lost: $lost"; return; fi
    # What ends by a signal, or by OpenMP's exit, leaves the file that it was writing.
    if [[ $bad ]] && ! { [[ $bad == *tmp* ]] && { ((code > 127)) || [[ $caller == libgomp ]]; }; }; then
        # The log is one epoch longer; of a picture that failed, features are NaN, as is documented.
        bad=$(grep -vE "log\.csv|features\.npy|$optional" <<<"$bad" || true)
        # The model under its first name, where the run ended before it had its last one.
        bad=$(grep -vxFf <(sed -n 's/model\.safetensors$/model-next.safetensors/p' \
            "$work/$name.after") <<<"$bad" || true)
        if [[ $bad ]]; then echo "$kind FAULT exit code $code, damaged: $bad"; return; fi
    fi
    if ((code > 2)); then
        case $caller in
            program | libfcnn) echo "$kind FAULT exit code $code" ;;
            *) echo "$kind library $caller" ;;
        esac
    elif [[ -s $at/err ]]; then
        echo "$kind refused"
    else
        echo "$kind FAULT exit code $code without a message"
    fi
}

loadable() {
    local file
    while read -r file; do
        "$info" "$file" >/dev/null 2>&1 </dev/null || return 1
    done < <(find "$at" -name '*.safetensors')
}

# ---- All runs ----

# try SHARD < lines "number site occurrence": the runs of one job.
try() {
    local at=$work/at$1 number site
    while read -r number site; do
        rm -f "$at.log"
        if [[ $site == - ]]; then
            execute INJECT_NTH="$number" INJECT_LOG="$at.log"
        else
            execute INJECT_NTH="$number" INJECT_SITE="$site" INJECT_LOG="$at.log"
        fi
        echo "$name $number $site $(judge)"
    done
}

faults=0
: >results
for name in "${scenarios[@]}"; do
    [[ ! $only || $name == "$only" ]] || continue
    at=$work/at0
    rm -f calls
    execute INJECT_CALLS="$work/calls"
    [[ $code == 0 ]] || { cat "$at/err"; fail "$name: an undisturbed run ended with $code"; }
    # The folder is the same for all, so that files that name it are the same.
    digest "$at" >"$name.after"
    (cd "start/$name" && : >out)
    digest "start/$name" | grep -v '  \./out$' >"$name.before" || true
    rm "start/$name/out"
    if ((every)); then
        awk -v every="$every" '(NR - 1) % every == 0 { print NR, "-" }' calls >list
    else
        awk '!met[$2]++ { print 1, $2 }' calls >list
    fi
    if ((most)); then
        sort -k2 list | awk -v most="$most" '{ line[NR] = $0 }
            END { for (i = 0; i < most && i < NR; i++) print line[1 + int(i * NR / (most < NR ? most : NR))] }' >few
        mv few list
    fi
    for ((job = 0; job < jobs; job++)); do
        awk -v job=$job -v jobs="$jobs" 'NR % jobs == job' list | try $job >"results.$job" &
    done
    wait
    cat results.? results.?? 2>/dev/null >>results || true
    printf '%-9s %6d calls of %4d sites, %5d tried\n' "$name" "$(wc -l <calls)" \
        "$(awk '!met[$2]++' calls | wc -l)" "$(wc -l <list)"
done

# ---- The table ----

grep ' FAULT ' results | sed 's/^/FAULT  /' | sort | uniq >faults || true
awk '
    { kind = $4; outcome = $5; total[kind]++; count[kind, outcome]++ }
    outcome == "library" { libraries[kind " in " $6]++ }
    END {
        printf "\n%-12s %7s %7s %7s %8s %8s %7s %7s\n", "call", "tried", "right", "warned", "refused", "library", "missed", "faults"
        for (kind in total)
            printf "%-12s %7d %7d %7d %8d %8d %7d %7d\n", kind, total[kind], count[kind, "right"], count[kind, "warned"],
                count[kind, "refused"], count[kind, "library"], count[kind, "missed"], count[kind, "FAULT"]
        for (what in libraries) printf "the library ended the program: %s, %d times\n", what, libraries[what]
    }' results
head -n 60 faults
[[ ! ${INJECT_RESULTS-} ]] || cp results "$INJECT_RESULTS"
[[ ! -s faults ]] || fail "$(wc -l <faults) faults"
ok "no fault"
