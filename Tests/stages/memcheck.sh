# A tiny training run of the tool on its best instruction set, which under valgrind is AVX2, and its
# model put to use. Every bit of the model is what the same run makes on the processor, on one
# thread.
options=(
    --text "$work/text" --hidden 17 --embedding 5 --layers 2 --batch 2 --steps 5 --epochs 1
    --dropout 0.2 --recurrent-dropout 0.2
)
head -c 600 Tests/stages/common.sh >"$work/text"
memcheck .build/recurrent-cli train "${options[@]}" --threads 2 --out "$work/model.safetensors"
.build/recurrent-cli train "${options[@]}" --threads 1 --out "$work/processor.safetensors"
cmp "$work/model.safetensors" "$work/processor.safetensors"
memcheck .build/recurrent-cli generate "$work/model.safetensors" --length 10
memcheck .build/recurrent-cli evaluate "$work/model.safetensors" --text "$work/text"
