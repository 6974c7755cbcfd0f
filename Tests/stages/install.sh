# Installs the Debian packages that the other stages need.
missing=() sudo=() emulation=()
if [ "$(uname -m)" = x86_64 ]; then
    emulation=(
        qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
        gcc-riscv64-linux-gnu libc6-dev-riscv64-cross
    )
fi
for package in libopenblas-dev valgrind gcc g++ cmake make pkg-config "${emulation[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" \
        apt-get install -y --no-install-recommends "${missing[@]}"
fi
