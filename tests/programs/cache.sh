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

# Photographs: after the first run their pixels are spoilt, with size and time kept.
for class in shoe other; do mkdir -p photos/{train,val}/$class; done
for i in 1 2 3 4 5 6; do
    cp "$tests/images/ankle-boot.png" "photos/train/shoe/$i.png"
    cp "$tests/images/shirt.png" "photos/train/other/$i.png"
done
cp "$tests/images/ankle-boot.png" photos/val/shoe
cp "$tests/images/pullover.png" photos/val/other
find photos -type f -exec touch -d 2024-02-03 {} +
photos=(--data photos --batch 6 --cache photo-cache)
succeed "$train" "$small" "${photos[@]}" --out album
has err "for 14 images, 0 stored" " 14 misses"
cp -r photos spoilt-later
find photos -type f | while read -r file; do
    bytes=$(stat -c %s "$file")
    printf 'spoilt spoilt' | dd of="$file" bs=1 seek=$((bytes / 2)) conv=notrunc status=none
    touch -d 2024-02-03 "$file"
done
cp -r album album-first
succeed "$train" "$small" "${photos[@]}" --out album
has err "for 14 images, 14 stored" " 0 misses"
! grep -q problem err || fail "an image was read: $(cat err)"
same_run album-first album
ok "a second run reads no image"

# The cache notices another time of a file; the spoilt images are then met, and named once each.
touch photos/train/shoe/1.png
run "$train" "$small" "${photos[@]}" --out album
[[ $code == 1 ]] || fail "spoilt images were trained on: $(cat err)"
has err "is made anew: it is stale"
rm -r photos
mv spoilt-later photos
printf 'spoilt spoilt' | dd of=photos/train/shoe/4.png bs=1 seek=150 conv=notrunc status=none
succeed "$train" "$small" "${photos[@]}" --out album
has err "is made anew: it is stale" "problem: " "train/shoe/4.png: " "(left out)" \
    "1 problem with the images, named above"
[[ $(grep -c '4\.png' err) == 1 ]] || fail "named more than once: $(cat err)"
ok "changed files: the cache is made anew; a damaged one is named once"

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
