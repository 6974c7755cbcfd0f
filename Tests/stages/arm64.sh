# The kernels for arm64, without any header of its C library, and without calling anything but
# memcpy, memset and the barrier. Emulated, they give the bits of Tests/Golden/hashes.txt.
allowed=' (memcpy|memset|recurrent_(barrier|task)[a-z_]*)$'
compile_kernels CKernels --target=aarch64-linux-gnu -ffreestanding
needed=$("$tools/llvm-nm" --undefined-only "$work/generic.o" | grep -vE "$allowed" || true)
[ -z "$needed" ] || { echo "the kernels call $needed"; exit 1; }
[ "$(uname -m)" = x86_64 ] || exit 0
"$tools/clang" --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -std=gnu17 -O2 \
    -c Tests/Golden/hashes.c -o "$work/hashes.o"
aarch64-linux-gnu-gcc -static -pthread "$work"/{generic,barrier,dispatch,hashes}.o \
    -o "$work/hashes-arm64"
same_bits 60000 qemu-aarch64 "$work/hashes-arm64" generic
