# The release tool and the driver of the stage allocation, without their debug information: Debian's
# valgrind cannot read its DWARF 5.
swift build -c release --build-tests
for program in recurrent AllocationDriver; do
    "$tools/llvm-objcopy" --strip-debug ".build/release/$program" ".build/$program"
done
