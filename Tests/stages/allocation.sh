# 1 and 1,001 steps of every workload allocate and free the same, with one thread and with two, side
# by side. The generic instruction set, which is slow, is looked at for a few steps.

# heap_usage ISA THREADS STEPS: prints allocations, frees and bytes of the whole process.
heap_usage() {
    local log="$work/heap-$1-$2-$3"
    memcheck --fair-sched=yes .build/AllocationDriver "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        return 1
    }
    sed -n 's/.*total heap usage: //p' "$log"
}

heap_usage avx2 1 1001 >"$work/heap-1" &
heap_usage avx2 2 1001 >"$work/heap-2"
wait $!
for threads in 1 2; do
    one=$(heap_usage avx2 "$threads" 1)
    many=$(<"$work/heap-$threads")
    echo "heap usage with $threads threads: $one; 1,001 steps: $many"
    if [ -z "$one" ] || [ "$one" != "$many" ]; then exit 1; fi
done
heap_usage generic 2 3
