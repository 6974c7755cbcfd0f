# C is formatted as .clang-format says, which a clang-format of this version alone can tell, and its
# lines end at column 100, comments too.
if git ls-files '*.c' '*.h' | LC_ALL=C.UTF-8 xargs grep -nE '^.{101,}'; then exit 1; fi
python3 -m pip install -q --target "$work/format" clang-format==21.1.8 || {
    echo 'format: no clang-format 21.1.8 at hand: lines alone were looked at' >&3
    exit 0
}
git ls-files '*.c' '*.h' | xargs "$work/format/bin/clang-format" --dry-run -Werror
