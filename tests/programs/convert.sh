#!/usr/bin/env bash
# fcnn-convert: a model in the other domain, or as spectra, is the same function;
# what would not be is said, and what cannot be converted is refused.
source "$(dirname "$0")/common.sh"
convert=$build/fcnn-convert
sed 's/modrelu/srelu/' "$small" >twin.cfg # modrelu has no meaning on pixels
fashion=(--data fashion-mnist --limit 400)

# same_scores A B: fcnn-infer gives the same accuracy and, to 1e-4, the same loss.
same_scores() {
    local model
    for model in "$1" "$2"; do
        succeed "$infer" "$model" "${fashion[@]}" --json
        python3 -c 'import json; r = json.load(open("out")); print(r["accuracy"], r["loss"])'
    done >scores
    awk 'NR == 1 { a = $1; l = $2 } NR == 2 { d = $2 - l; if (d < 0) d = -d
         exit !($1 == a && d <= 1e-4 * l && l > 0) }' scores ||
        fail "$1 and $2: $(tr '\n' ' ' <scores)"
}

succeed "$train" twin.cfg "${fashion[@]}" --epochs 1 --verbose --out space --set net.domain=space
has out "domain=space" "direct" "every layer between fft and ifft computes on pixels"
succeed "$convert" space/model.safetensors --domain frequency
has out "model: space/model-frequency.safetensors" "logits differ by at most"
same_scores space/model.safetensors space/model-frequency.safetensors
succeed "$convert" space/model-frequency.safetensors --domain space --out back.safetensors
cmp space/model.safetensors back.safetensors || fail "there and back changed the model"
ok "space to frequency: the same scores; and back: the same bits"

succeed "$convert" space/model.safetensors --domain frequency --out frequency.safetensors
succeed "$convert" space/model.safetensors --domain frequency --form spectral --out s.safetensors
same_scores space/model.safetensors s.safetensors
succeed "$info" s.safetensors
has out "spectral form" "conv1.spectrum" "resident"
ok "space to spectra: the same scores"

succeed "$convert" frequency.safetensors --form spectral --type half
has out "model: frequency-half.safetensors" "logits differ by at most" "half precision"
same_scores space/model.safetensors frequency-half.safetensors
succeed "$info" frequency-half.safetensors
has out "spectral form" "conv1.spectrum" "] F16"
(($(stat -c %s frequency-half.safetensors) < $(stat -c %s s.safetensors))) ||
    fail "half precision does not make the file smaller"
ok "to spectra in half precision: the same scores, of a smaller file"

succeed "$train" twin.cfg "${fashion[@]}" --epochs 1 --out frequency
succeed "$convert" frequency/checkpoint.safetensors --domain space --out f.safetensors
same_scores frequency/model.safetensors f.safetensors
succeed "$train" twin.cfg "${fashion[@]}" --epochs 1 --out tuned --set net.domain=space \
    --init frequency/model.safetensors
ok "frequency to space, from a checkpoint too; and either starts from the other with --init"

# A rule on another grid is another function.
succeed "$train" twin.cfg "${fashion[@]}" --epochs 1 --out grid --set conv[1].activation=relu \
    --set conv[1].grid=auto
succeed "$convert" grid/model.safetensors --domain space
has out "not the same function" "grid="
ok "two networks that differ are told apart"

refuse 1 "s.safetensors is spectral" "norms folded compact" "$convert" s.safetensors --domain space
refuse 2 "" "spectral domain=space" "$convert" space/model.safetensors --form spectral
refuse 2 "" "--domain --form" "$convert" space/model.safetensors
refuse 2 "--domain there" "frequency space" "$convert" space/model.safetensors --domain there
refuse 2 "--type double" "float half" "$convert" back.safetensors --form spectral --type double
refuse 2 "--type half" "--form spectral" "$convert" back.safetensors --domain space --type half
refuse 2 "--form both" "compact spectral" "$convert" space/model.safetensors --form both
refuse 2 "--out" "overwrite" "$convert" back.safetensors --domain space --out back.safetensors
refuse 2 "expected one model" "0" "$convert" --domain space
refuse 1 "" "none.safetensors" "$convert" none.safetensors --domain space
refuse 1 "" "none/x.safetensors" "$convert" back.safetensors --domain space --out none/x.safetensors
succeed "$train" twin.cfg "${fashion[@]}" --epochs 1 --out zero --set net.domain=space \
    --set net.border=zero
refuse 1 "" "border=zero wraps" "$convert" zero/model.safetensors --domain frequency
refuse 2 "" "spectral domain=space" "$train" twin.cfg "${fashion[@]}" --set net.domain=space \
    --save spectral --out none
ok "what cannot be converted is refused, with the reason"
