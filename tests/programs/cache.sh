#!/usr/bin/env bash
# --cache: the same weights with and without it, no image read once it is full,
# a new one when the images change, and runs that share one.
source "$(dirname "$0")/common.sh"

data="synthetic:classes=4,size=14,channels=1,train=256,val=64"
succeed "$train" "$small" --data "$data" --out plain
! grep -q cache err || fail "a cache without --cache: $(cat err)"

succeed "$train" "$small" --data "$data" --out first --cache kept/here
has err "cache: $work/kept/here/synthetic-" "for 320 images, 0 stored" \
    "cache: 320 of 320 images stored" " 320 misses"
same_run plain first
succeed "$train" "$small" --data "$data" --out second --cache kept/here
has err "for 320 images, 320 stored" " 0 misses, hit rate 100.0 %"
same_run plain second
for threads in 1 3; do
    succeed "$train" "$small" --data "$data" --out threads --threads $threads --cache new$threads
    same_run plain threads
done
ok "without a cache, filling one and from a full one: the same weights and log"

[[ $(head -c 512 kept/here/*.spectra | tr -d '\0' | grep -ac 'placement: stretch') == 1 ]] ||
    fail "the settings are not to be read in the file"
ok "the file says in words what it is made of"

succeed "$train" "$small" --data "$data" --out half --cache kept/here --set net.cache_type=half
cp -r half half-first
succeed "$train" "$small" --data "$data" --out half --cache kept/here --set net.cache_type=half
has err " 0 misses"
same_run half-first half
! cmp -s plain/model.safetensors half/model.safetensors || fail "halves changed nothing"
ok "cache_type=half: its own file, and the same weights each time"

# Two runs at once, and the cfg's own key, relative to the cfg's folder.
mkdir cfgs
sed 's/^seed=7/seed=7\ncache=beside/' "$small" >cfgs/own.cfg
"$train" cfgs/own.cfg --data "$data" --out one 2>one.err >/dev/null &
pid=$!
succeed "$train" cfgs/own.cfg --data "$data" --out two
wait $pid || fail "the other run: $(cat one.err)"
same_run plain one
same_run plain two
succeed "$train" cfgs/own.cfg --data "$data" --out two
has err "cache: cfgs/beside/synthetic-" " 0 misses"
ok "two runs filled one cache at once"

# Photographs, each twelve times over.
for class in shoe other; do mkdir -p photos/{train,val}/$class; done
for i in 1 2 3 4 5 6; do
    cp "$tests/images/ankle-boot.png" "photos/train/shoe/$i.png"
    cp "$tests/images/shirt.png" "photos/train/other/$i.png"
done
cp "$tests/images/ankle-boot.png" photos/val/shoe
cp "$tests/images/pullover.png" photos/val/other
photos=(--data photos --batch 6 --cache photo-cache)
succeed "$train" "$small" "${photos[@]}" --out album
has err "for 14 images, 0 stored" " 14 misses"
succeed "$train" "$small" "${photos[@]}" --out again
has err "for 14 images, 14 stored" " 0 misses"
same_run album again
ok "a second run reads no image"

# Neither a file's time nor a folder's place matters.
touch photos/train/shoe/1.png
mv photos elsewhere
succeed "$train" "$small" --data elsewhere --batch 6 --cache photo-cache --out again
has err "for 14 images, 14 stored" " 0 misses"
same_training album again
mv elsewhere photos
ok "the spectra are found again where the folder moved, and whatever its files' times"

# Pictures exchanged between classes, with names, sizes and times as they were.
for i in 1 2 3; do
    mv "photos/train/shoe/$i.png" swap
    mv "photos/train/other/$i.png" "photos/train/shoe/$i.png"
    mv swap "photos/train/other/$i.png"
done
find photos -type f -exec touch -d 2024-02-03 {} +
succeed "$train" "$small" "${photos[@]}" --out exchanged
has err "is made anew: it is stale" "14 of 14 images did not change" " 0 misses"
succeed "$train" "$small" --data photos --batch 6 --out plainly
same_run plainly exchanged
! cmp -s album/model.safetensors exchanged/model.safetensors || fail "labels changed nothing"
[[ $(ls photo-cache/*.spectra | wc -l) == 1 ]] || fail "old files stay: $(ls photo-cache)"
ok "exchanged pictures have their own spectra, and none is read for that"

# Another picture under an old name, size and time; then a damaged one, which is named once.
cp photos/train/shoe/5.png old.png
cp photos/train/other/5.png new.png
bytes=$(($(stat -c %s old.png) - $(stat -c %s new.png)))
if ((bytes < 0)); then
    cp new.png swap && cp old.png new.png && cp swap old.png
    bytes=$((-bytes))
fi
{ cat new.png && head -c $bytes /dev/zero; } >photos/train/shoe/5.png # what follows is ignored
cp old.png photos/train/other/5.png
touch -d 2024-02-03 photos/train/*/5.png
succeed "$train" "$small" "${photos[@]}" --out replaced
succeed "$train" "$small" --data photos --batch 6 --out plainly
same_run plainly replaced
printf 'spoilt spoilt' | dd of=photos/train/shoe/4.png bs=1 seek=150 conv=notrunc status=none
succeed "$train" "$small" "${photos[@]}" --out album
has err "is made anew: it is stale" "13 of 14 images did not change" "problem: " \
    "train/shoe/4.png: " "(left out)" "1 problem with the images, named above"
[[ $(grep -c '4\.png' err) == 1 ]] || fail "named more than once: $(cat err)"
ok "changed files: their spectra are made anew; a damaged one is named once"

# A cache that cannot be had, and a limit that leaves it no room.
succeed "$train" "$small" --data "$data" --out nowhere --cache /dev/null/cache
has err "no cache: /dev/null: cannot be created: Not a directory"
same_run plain nowhere
(ulimit -f 64 && succeed "$train" "$small" --data "$data" --epochs 1 --out little --cache little-cache &&
    has err "no cache: " "File too large") || fail "no room"
[[ ! $(ls little-cache) ]] || fail "left behind: $(ls little-cache)"
ok "no permission, no room: a warning, and the run goes on"

refuse 2 "--cache" "empty" "$train" "$small" --data "$data" --out no --cache ''
sed 's/^seed=7/seed=7\ncache=unwanted/' "$small" >unwanted.cfg
for none in "--cache none" "--set net.cache=none"; do
    # shellcheck disable=SC2086
    succeed "$train" unwanted.cfg --data "$data" --epochs 1 --out never $none
    ! grep -q cache err && [[ ! -e unwanted && ! -e none ]] || fail "$none: $(cat err)"
done
ok "an empty --cache is refused; none turns a cfg's off"
