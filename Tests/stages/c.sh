# The library for C and C++, built by clang with CMake and installed, as programs that gcc and g++
# build see it: they load PyTorch's weights, step to its logits and train (Tests/Clients). Mistakes
# that are planted in the headers, the checks and kernel order are found.
built=$work/c prefix=$work/c/prefix
mkdir -p "$built"
clients=Tests/Clients
strict=(-Wall -Wextra -pedantic -Werror)

# Another compiler is refused, and what to do is said.
if cmake -S CKernels -B "$built/gcc" -DCMAKE_C_COMPILER=gcc >"$built/refused" 2>&1; then exit 1; fi
grep 'CMAKE_C_COMPILER=clang' "$built/refused"

cmake -S CKernels -B "$built/build" -DCMAKE_C_COMPILER="$tools/clang"
cmake --build "$built/build" --parallel "$(nproc)"
cmake --install "$built/build" --prefix "$prefix"
library=$(dirname "$(find "$prefix" -name librecurrent.so)")
export PKG_CONFIG_PATH=$library/pkgconfig LD_LIBRARY_PATH=$library
[ "$(pkg-config --modversion recurrent)" = 0.1.0 ]
read -ra flags <<<"$(pkg-config --cflags --libs recurrent)"
# It needs the C library alone, not that of mathematics.
readelf -d "$library/librecurrent.so" | grep NEEDED | tee "$built/needed"
[ "$(wc -l <"$built/needed")" = 1 ] && grep 'libc\.so' "$built/needed"

# What the README shows, against the same in double.
awk '/^## /{ here = $0 == "## From C and C++" } here && /^```$/ { program = 0 }
     here && program { print } here && /^```c$/ { program = 1 }' README.md >"$built/readme.c"
gcc -std=c99 "${strict[@]}" "$built/readme.c" "${flags[@]}" -o "$built/readme"
"$built/readme" | tee "$built/readme.found"
awk 'function sigmoid(z) { return 1 / (1 + exp(-z)) }
     function tanh(z) { return 2 * sigmoid(2 * z) - 1 }
     END {
         for (t = 0; t < 3; ++t) {
             x = t / 2
             i = sigmoid(0.5 * x + h); f = sigmoid(-x + 0.5 * h + 1)
             g = tanh(2 * x - 0.5 * h); o = sigmoid(0.25 * x + 2 * h - 1)
             c = f * c + i * g; h = o * tanh(c)
         }
         printf "%.6f\n", h
         exit $1 - h > 2e-6 || h - $1 > 2e-6
     }' "$built/readme.found"

# The headers, by every compiler and standard.
echo '#include <recurrent/recurrent.h>' >"$built/headers.c"
cp "$built/headers.c" "$built/headers.cpp"
for standard in c99 c11 c17; do
    for compiler in gcc "$tools/clang"; do
        "$compiler" -std=$standard "${strict[@]}" -I"$prefix/include" -fsyntax-only \
            "$built/headers.c"
    done
done
for standard in c++11 c++14 c++17 c++20; do
    for compiler in g++ "$tools/clang++"; do
        "$compiler" -std=$standard "${strict[@]}" -I"$prefix/include" -fsyntax-only \
            "$built/headers.cpp"
    done
done

# program NAME COMPILER ARGUMENT …: compiles a program against the library.
program() {
    local name=$1
    shift
    "$@" "${strict[@]}" "${flags[@]}" -lm -o "$built/$name"
}
program setup gcc -std=c99 -O1 "$clients/setup.c"
program setup32 gcc -std=c99 -O1 -DLARGEST_BUFFER=INT32_MAX "$clients/setup.c" \
    CKernels/setup/checks.c
program client_c gcc -std=c11 -O1 "$clients/client.c"
program client_cpp g++ -std=c++11 -O1 "$clients/client.cpp"
"$built/setup"
"$built/setup32"
for name in client_c client_cpp; do
    "$built/$name" Tests/Golden | tee "$built/found"
    tail -n 1 "$built/found" >&3
done
readelf -d "$built/client_c" | grep 'NEEDED.*librecurrent'

# By find_package, of an installation that was moved.
mv "$prefix" "$built/moved"
cat >"$built/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(client LANGUAGES C CXX)
find_package(Recurrent 0.1 REQUIRED)
add_executable(client $PWD/$clients/client.cpp)
target_link_libraries(client PRIVATE Recurrent::recurrent_static)
END
cmake -S "$built" -B "$built/client" -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
    -DCMAKE_PREFIX_PATH="$built/moved"
cmake --build "$built/client"
LD_LIBRARY_PATH='' "$built/client/client" Tests/Golden
mv "$built/moved" "$prefix"

# passes CLIENT COMPILER [OPTION …]: whether this client compiles with the setup (in C) and the
# headers of the copy of the kernels, and runs.
passes() {
    local client=$1 setup=("$built"/planted/setup/*.c)
    shift
    if [ "$1" = g++ ]; then setup=(); fi
    "$@" "${strict[@]}" -I"$built/planted/include" "$clients/$client" "${setup[@]}" "${flags[@]}" \
        -lm -o "$built/planted/program" && "$built/planted/program" Tests/Golden
}
# planted FILE SCRIPT CLIENT COMPILER [OPTION …]: a mistake, planted in the copy by this script of
# sed, must not pass.
planted() {
    local file=$1 script=$2
    shift 2
    sed -i "$script" "$built/planted/$file"
    if cmp "$built/planted/$file" "CKernels/$file"; then
        echo "nothing is planted in $file: $script"
        exit 1
    fi
    if passes "$@"; then
        echo "$1 does not find what is planted in $file: $script"
        exit 1
    fi
    cp "CKernels/$file" "$built/planted/$file"
}
cp -r CKernels "$built/planted"
passes client.c gcc
passes setup.c gcc
passes client.cpp g++ -std=c++11
order=setup/kernel_order.c
planted $order 's/+ of->gate)/+ of->gates - 1 - of->gate)/' client.c gcc
planted $order 's|hidden_rows && !has_hidden_bias(shape, of.gate)|0|' client.c gcc
planted $order 's/gate < candidate ? gate : gate - 1/gate % 3/' setup.c gcc
planted $order '/ pack(convolution_tap/ s/weight + tap/weight/' setup.c gcc
planted setup/bfloat16.c 's/bits + 0x7fff/bits + 0x8000/' setup.c gcc
planted setup/checks.c 's/size <= RECURRENT_LARGEST_DIMENSION/size < RECURRENT_LARGEST_DIMENSION/' \
    setup.c gcc
planted setup/checks.c 's/input, hidden, batch and steps/dimensions/' client.c gcc
include=include/recurrent
planted $include/compiler.h 's/extern "C" {//; s/EXTERN_C_END }/EXTERN_C_END/' \
    client.cpp g++ -std=c++11
planted $include/isa.h 's/{0, 1, NULL}/{.count = 1}/' client.cpp g++ -std=c++11
planted $include/compiler.h 's/defined(__clang__)/1/' client.c gcc
