# What several stages use. Each stage runs in a shell of its own that has read this file. `work` is
# a folder for its files, `exhaustive` is empty in the quick form.

# The other programs of Swift's toolchain.
tools=$(swift -print-target-info |
    sed -n 's|.*"runtimeResourcePath": "\(.*\)/lib/swift".*|\1/bin|p')

# run_tests ARGUMENT …: runs the tests with these arguments of `swift test`, and prints the runners'
# closing lines, and the lines of tables that tests print.
run_tests() {
    local log
    log=$(mktemp -p "$work")
    swift test "$@" 2>&1 | tee "$log"
    grep -E '^(.* )?Test run with [0-9]+ tests?|^\| ' "$log" >&3
    if grep -q 'Test run with 0 tests' "$log"; then return 1; fi
}

# wait_for PROCESS …: waits for these processes; fails if one of them has.
wait_for() {
    local process status=0
    for process; do wait "$process" || status=1; done
    return "$status"
}

# has_isa ISA: whether this processor has the instruction set.
has_isa() { [ "$1" = generic ] || grep -qw "${1/avx512/avx512dq}" /proc/cpuinfo; }

# Every warning is an error. No `default` hides a kind that a switch over an enum forgets.
warnings=(-Wall -Wextra -Wswitch-enum -Wcovered-switch-default -Werror)

# compile_kernels FOLDER [OPTION …]: compiles the kernels as SwiftPM does, for release.
compile_kernels() {
    local folder=$1 source
    shift
    for source in "$folder"/{isa,setup,threads}/*.c; do
        "$tools/clang" -std=gnu17 -O2 "${warnings[@]}" "$@" -c "$source" \
            -o "$work/$(basename "$source" .c).o" || return
    done
}

# compile_with FOLDER PROGRAM OPTION …: compiles a C program and the kernels, with these options of
# clang, to FOLDER/program.
compile_with() {
    local folder=$1 program=$2 source processes=()
    shift 2
    mkdir -p "$folder"
    for source in CKernels/{isa,threads}/*.c "$program"; do
        "$tools/clang" -std=gnu17 "${warnings[@]}" "$@" -c "$source" \
            -o "$folder/$(basename "$source" .c).o" &
        processes+=($!)
    done
    wait_for "${processes[@]}"
    "$tools/clang" "$@" "$folder"/*.o -o "$folder/program"
}

# finds PROGRAM FAULT …: checks that the program fails with each of these planted faults.
finds() {
    local program=$1 fault status
    shift
    for fault; do
        status=0
        "$program" "$fault" || status=$?
        if [ "$status" -eq 0 ] || [ "$status" -eq 64 ]; then
            echo "$program does not find the planted fault $fault"
            return 1
        fi
    done
}

# guarded NAME FAULTS OPTION …: runs every kernel between guard pages, compiled with these options,
# which must find these faults.
guarded() {
    local name=$1 faults=$2 part parts form processes=()
    shift 2
    parts=$(nproc)
    form=${exhaustive:+exhaustive}
    compile_with "$work/$name" Tests/Sanitizers/guarded.c "$@"
    # shellcheck disable=SC2086
    finds "$work/$name/program" $faults
    for ((part = 0; part < parts; ++part)); do
        LLVM_PROFILE_FILE="$work/$name/$part.profraw" \
            "$work/$name/program" "${form:-quick}" "$part" "$parts" &
        processes+=($!)
    done
    wait_for "${processes[@]}"
}

# same_bits WORK COMMAND …: checks that Tests/Golden/hashes.c, run by this command, finds the bits
# of hashes.txt; in the quick form those of shapes with no more work than this.
same_bits() {
    local most=$1
    shift
    if [ -z "$exhaustive" ]; then set -- "$@" "$most"; fi
    "$@" <Tests/Golden/hashes.txt
}

# memcheck COMMAND …: stops on any error, and on memory that is definitely lost.
memcheck() {
    valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite "$@"
}

# fuzz NAME [OPTION …]: fuzzes from the seed corpus and whatever earlier runs have found; an input
# that crashes stays in fuzz/.build.
fuzz() {
    local name=$1 corpus
    shift
    corpus=$(tr '[:upper:]' '[:lower:]' <<<"$name")
    mkdir -p "fuzz/.build/found/$corpus"
    SWIFT_BACKTRACE=enable=no "fuzz/.build/release/Fuzz$name" -max_total_time="$fuzz_seconds" \
        -artifact_prefix=fuzz/.build/ -print_final_stats=1 "$@" \
        "fuzz/.build/found/$corpus" "fuzz/corpus/$corpus" 2>&1 | tee "$work/fuzz-$name"
    grep -E '^Done' "$work/fuzz-$name" >&3
}
