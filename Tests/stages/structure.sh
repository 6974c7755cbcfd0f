# The files of Sources/Recurrent that import CRecurrent are those of its room Bridge/.
if ! diff <(git grep -l 'import CRecurrent' -- Sources/Recurrent) \
    <(git ls-files Sources/Recurrent/Bridge); then
    echo 'files outside of Bridge/ import CRecurrent (<), or some of Bridge/ do not (>)'
    exit 1
fi

# No switch of Swift over the cases of an enum has a `default`: it would hide a kind that it
# forgets. C's are compiled with warnings for that (common.sh).
hidden=$(git ls-files '*.swift' | xargs awk '
    { match($0, /^ */); column = RLENGTH }
    /^ *case \.[a-z]/ { kinds[column] = FILENAME }
    /^ *(} else )?.*switch .*\{$/ { for (c in kinds) if (c >= column) delete kinds[c] }
    /^ *default:/ && kinds[column] == FILENAME {
        print FILENAME ":" FNR ": default in a switch over an enum"
    }')
if [ -n "$hidden" ]; then
    echo "$hidden"
    exit 1
fi
