# The release tool and the driver of the stage allocation, without their debug information: Debian's
# valgrind cannot read its DWARF 5. `swift test` builds them with the flags of the stage release.
swift test -c release list
for program in recurrent-cli AllocationDriver; do
    "$tools/llvm-objcopy" --strip-debug ".build/release/$program" ".build/$program"
done
