# Swift's way to the kernels under RealtimeSanitizer: after a first step, no workload calls anything
# that may wait, on one thread.
driver=.build-realtime/release/AllocationDriver
swift build -c release --product AllocationDriver --scratch-path .build-realtime \
    -Xcc -fsanitize=realtime -Xswiftc -Xclang-linker -Xswiftc -fsanitize=realtime
if "$driver" generic 1 11 fault 2>"$work/realtime-fault"; then exit 1; fi
grep 'RealtimeSanitizer: unsafe-library-call' "$work/realtime-fault"
for isa in generic avx2 avx512; do
    if has_isa "$isa"; then "$driver" "$isa" 1 1001 | grep 'found nothing'; fi
done
