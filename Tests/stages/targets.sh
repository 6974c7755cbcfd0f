# The kernels for other processors, all of which have a fused multiply-add, without any header of a
# C library. They call nothing but memcpy, memset and the barrier, and on a Cortex-M4F the
# compiler's arithmetic of doubles, which that processor lacks.

# freestanding CALLS OPTION …: compiles the kernels for a target; what they call is of these.
freestanding() {
    local calls=$1 needed
    shift
    compile_kernels CKernels -ffreestanding "$@"
    needed=$("$tools/llvm-nm" --quiet --undefined-only "$work"/{generic,dispatch}.o | grep ' U ' |
        grep -vE " (recurrent_[a-z0-9_]*|$calls)\$" || true)
    [ -z "$needed" ] || { echo "the kernels call $needed"; return 1; }
}

# emulated WORK ARCHITECTURE OPTION …: begins to check that the kernels that were compiled last, for
# Linux and emulated, give the bits of Tests/Golden/hashes.txt.
processes=()
emulated() {
    local most=$1 architecture=$2
    shift 2
    "$tools/clang" --target="$architecture-linux-gnu" "$@" -std=gnu17 -O2 \
        -isystem "/usr/$architecture-linux-gnu/include" -c Tests/Golden/hashes.c -o "$work/hashes.o"
    "$architecture-linux-gnu-gcc" -static -pthread \
        "$work"/{generic,barrier,dispatch,hashes}.o -o "$work/hashes-$architecture"
    same_bits "$most" "qemu-$architecture" "$work/hashes-$architecture" generic &
    processes+=($!)
}

freestanding 'sqrt|__aeabi_[a-z0-9]*' --target=thumbv7em-none-eabihf -mcpu=cortex-m4

# Where programs are linked without compiler-rt, which other compilers ask about the processor.
freestanding 'memcpy|memset|_fltused' --target=x86_64-pc-windows-msvc

freestanding 'memcpy|memset' --target=riscv64-linux-gnu -march=rv64gc -mabi=lp64d
if [ "$(uname -m)" = x86_64 ]; then emulated 10000 riscv64 -march=rv64gc -mabi=lp64d; fi

freestanding 'memcpy|memset' --target=aarch64-linux-gnu
if [ "$(uname -m)" = x86_64 ]; then emulated 60000 aarch64; fi
wait_for "${processes[@]}"
