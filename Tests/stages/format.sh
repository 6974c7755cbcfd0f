# C and Swift are formatted as .clang-format and .swift-format say, which formatters of these
# versions alone can tell, and their lines end at column 100, comments too.
if git ls-files '*.c' '*.cpp' '*.h' '*.swift' |
    LC_ALL=C.UTF-8 xargs grep -nE '^.{101,}'; then exit 1; fi
if python3 -m pip install -q --target "$work/format" clang-format==21.1.8; then
    git ls-files '*.c' '*.cpp' '*.h' |
        PYTHONPATH="$work/format" xargs "$work/format/bin/clang-format" --dry-run -Werror
else
    echo 'format: no clang-format 21.1.8 at hand: of C, lines alone were looked at' >&3
fi
if [ "$(swift format --version)" = 6.3.1 ]; then
    mkdir "$work/formatted"
    git ls-files '*.swift' .swift-format | tar -c -T - | tar -x -C "$work/formatted"
    (cd "$work/formatted" && swift format --in-place --parallel --recursive .)
    git ls-files '*.swift' | while read -r file; do diff -u "$file" "$work/formatted/$file"; done
else
    echo 'format: no swift-format 6.3.1 at hand: of Swift, lines alone were looked at' >&3
fi
