# Every kernel, instruction by instruction: the same ones whatever the data is, and how deep the
# stack gets. No array of variable length, no call through a pointer, no recursion: the graph of
# calls has an order.
[ "$(uname -m)" = x86_64 ] || exit 0
processes=()
compile_with "$work/paths" Tests/Sanitizers/paths.c -O2 -Wvla -fstack-usage -Wl,-z,now \
    -Wno-unused-command-line-argument
finds "$work/paths/program" branch stack
for isa in generic avx2 avx512; do
    "$work/paths/program" "$isa" >"$work/paths/$isa.log" &
    processes+=($!)
done
wait_for "${processes[@]}" || { cat "$work"/paths/*.log; exit 1; }
cat "$work"/paths/*.log

for isa in generic avx2 avx512; do
    code="$work/paths/$isa"
    if grep -w dynamic "$code.su"; then exit 1; fi
    "$tools/llvm-objdump" -d --no-show-raw-insn "$code.o" >"$code.s"
    if grep -E 'call[a-z]*[[:space:]]+\*' "$code.s"; then exit 1; fi
    awk '/^[0-9a-f]+ <.*>:$/ { gsub(/[<>:]/, "", $2); caller = $2 }
         /call|jmp/ && $NF ~ /^<[a-z_0-9]+>$/ { gsub(/[<>]/, "", $NF); print caller, $NF }' \
        "$code.s" >"$code.calls"
    grep -q 'product_sums' "$code.calls"
    if awk '$1 == $2' "$code.calls" | grep .; then exit 1; fi
    tsort "$code.calls"
    # The deepest stack by the compiler's own figures, for the shapes that the traced calls do not
    # have: 8 bytes for each return address.
    awk 'function deepest(f, pair, depth, most) {
             for (pair in calls) if (calls[pair] == f) {
                 depth = 8 + deepest(substr(pair, length(f) + 2))
                 if (depth > most) most = depth
             }
             return most + bytes[f]
         }
         FILENAME ~ /su$/ { sub(/.*:/, "", $1); bytes[$1] = $2; next }
         { calls[$1 " " $2] = $1 }
         END {
             for (f in bytes) {
                 n = deepest(f)
                 if (n > 2048) print f ": " n " bytes of stack"
                 deep = deep || n > 2048
             }
             exit deep
         }' "$code.su" "$code.calls"
done
