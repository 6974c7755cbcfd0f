# Training on four threads under the thread sanitizer: a layer whose panels are split between
# threads, and one whose rows are.
swift build -c release --product recurrent-cli --sanitize=thread --scratch-path .build-threads
head -c 1000 Tests/stages/common.sh >"$work/text"
for hidden in 144 24; do
    TSAN_OPTIONS=halt_on_error=1 .build-threads/release/recurrent-cli train --text "$work/text" \
        --hidden "$hidden" --embedding 20 --layers 2 --batch $((hidden == 144 ? 1 : 9)) --steps 5 \
        --epochs 1 --dropout 0.2 --recurrent-dropout 0.2 --threads 4 \
        --out "$work/model-$hidden.safetensors"
done
