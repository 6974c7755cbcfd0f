# The bits of every kernel are those of Tests/Golden/hashes.txt: on every instruction set, optimized
# and not, with 1 to 4 partitions one after the other and on threads, under valgrind. Sums in
# another order, and products that are rounded before they are added, are noticed.

# planted_bits NAME ISA FILE SCRIPT: checks that other bits are found in the kernels of this
# instruction set, with this script of sed applied to this file.
planted_bits() {
    local folder="$work/planted-$1" isa=$2 file=$3 script=$4 status=0
    mkdir "$folder"
    cp -r CKernels "$folder/CKernels"
    sed -i "$script" "$folder/CKernels/$file"
    if cmp "$folder/CKernels/$file" "CKernels/$file"; then return 1; fi
    cp "$work"/golden-release/*.o "$folder"
    "$tools/clang" -std=gnu17 -O0 -c "$folder/CKernels/isa/$isa.c" -o "$folder/$isa.o"
    "$tools/clang" "$folder"/*.o -o "$folder/program"
    "$folder/program" "$isa" 20000 <Tests/Golden/hashes.txt || status=$?
    [ "$status" -eq 1 ] || { echo "other bits go unnoticed: $script"; return 1; }
}

processes=()
compile_with "$work/golden-release" Tests/Golden/hashes.c -O2 &
processes+=($!)
compile_with "$work/golden-debug" Tests/Golden/hashes.c -O0 &
processes+=($!)
if [ -n "$exhaustive" ]; then
    compile_with "$work/golden-native" Tests/Golden/hashes.c -O3 -march=native
fi
wait_for "${processes[@]}"
# What is not a kernel is optimized in both.
cp "$work/golden-release/hashes.o" "$work/golden-debug"
"$tools/clang" "$work"/golden-debug/*.o -o "$work/golden-debug/program"

processes=() planted=generic
if has_isa avx2; then planted=avx2; fi
planted_bits order "$planted" matrix/products.h \
    's/m \(\* dy_row + (size_t)v\)/(rows.run[run].last + rows.run[run].first - m) \1/' \
    >"$work/order.planted" &
processes+=($!)
planted_bits rounding "$planted" "isa/$planted.c" \
    's/#define lanes_fma(a, b, c) .*/#define lanes_fma(a, b, c) ((a) * (b) + (c))/' \
    >"$work/rounding.planted" &
processes+=($!)
for isa in generic avx2 avx512; do
    same_bits 70000 "$work/golden-debug/program" "$isa" >"$work/debug-$isa.golden" &
    processes+=($!)
    same_bits 2000000 "$work/golden-release/program" "$isa" >"$work/release-$isa.golden" &
    processes+=($!)
    if [ -n "$exhaustive" ]; then
        same_bits 0 "$work/golden-native/program" "$isa" >"$work/native-$isa.golden" &
        processes+=($!)
    fi
    # valgrind presents a processor without AVX-512.
    if [ "$isa" = avx512 ]; then continue; fi
    same_bits 20000 valgrind -q --tool=none "$work/golden-release/program" "$isa" \
        >"$work/valgrind-$isa.golden" &
    processes+=($!)
done
wait_for "${processes[@]}" || {
    tail -n 5 "$work"/*.planted
    tail -n 12 "$work"/*.golden
    exit 1
}
for log in "$work"/*.golden; do echo "$(basename "$log"): $(<"$log")"; done
cat "$work"/*.golden | awk '{ hashes += $2 } END { print hashes " hashes" }' >&3
