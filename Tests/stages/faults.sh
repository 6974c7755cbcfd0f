# The tool where the file system fails: each call that concerns files fails in turn, is interrupted,
# or transfers half, and the process is killed at a hundred moments. It ends with one line and an
# exit code of sysexits(3), or as if nothing had been. No file is torn or lost, nothing is left
# behind, and nothing is made under a name that is not a temporary file's or a lock's.
"$tools/clang" -std=gnu17 -O1 -shared -fPIC -Wall -Wextra -Werror -ITests/CFileFaults/include \
    Tests/CFileFaults/file_faults.c -o "$work/faults.so"
tool=$PWD/.build/recurrent-cli
faults=$work/faults
mkdir -p "$faults/before"
seq 6 | sed 's/.*/the cat sat on mat & of &/' >"$faults/before/text"
train=(
    "$tool" train --text text --hidden 3 --embedding 2 --batch 2 --steps 8 --threads 1
    --patience 1000000
)
(cd "$faults/before" && "${train[@]}" --epochs 1 --out model && cp model model.1)
(cd "$faults/before" && "$tool" descend --steps 2 --svg picture)

# may_fail FAULT COMMAND …: runs a command in a copy of the folder `before`; it must end as the top
# of this file says. Without FAULT nothing fails. What was called goes to $work/calls.
may_fail() {
    local fault=$1 status=0 name
    shift
    rm -rf "$faults/now"
    cp -a "$faults/before" "$faults/now"
    (
        cd "$faults/now"
        [ -z "$fault" ] || export FILE_FAULT=$fault
        export FILE_FAULT_LOG=$work/calls LD_PRELOAD=$work/faults.so
        exec "$@" >"$work/output" 2>"$work/errors"
    ) || status=$?
    case $status in
    0) ;;
    6[4-9] | 7[0-8])
        [ "$(wc -l <"$work/errors")" = 1 ] && grep -q '^recurrent: .' "$work/errors"
        ;;
    *) false ;;
    esac || {
        echo "$fault: $*: status $status"
        cat "$work/errors"
        return 1
    }
    # What was not written is what it was; what was written is whole.
    for name in text model.1; do cmp "$faults/before/$name" "$faults/now/$name"; done
    cmp -s "$faults/before/picture" "$faults/now/picture" ||
        tail -n 1 "$faults/now/picture" | grep -q '</svg>'
    (
        cd "$faults/now"
        # Both files load, and here it has no more epochs to go.
        "${train[@]}" --epochs 1 --out model --resume >"$work/resumed"
        if [ -e new ]; then "$tool" inspect new >"$work/inspected"; fi
    )
    if sed -n 's/^created //p' "$work/calls" |
        grep -vE '(^|/)\.(recurrent-[0-9a-f]{16}\.tmp|(model|new)\.lock)$'; then
        echo "$fault: $*: made a file under a name that is not a temporary file's or a lock's"
        return 1
    fi
    if find "$faults/now" -name '.recurrent-*' | grep .; then
        echo "$fault: $*: left a temporary file behind"
        return 1
    fi
}

runs=0
# every_fault COMMAND …: makes each call of the command fail.
every_fault() {
    local call count number fault counts faults_of_call
    may_fail '' "$@"
    counts=$(grep -v ^created "$work/calls")
    while read -r call count; do
        for ((number = 1; number <= count; ++number)); do
            # EINTR, EIO; half of a transfer, and from then on a full disk.
            faults_of_call=("$number:4" "$number:5")
            case $call in
            read) faults_of_call+=("$number:short") ;;
            write) faults_of_call+=("$number:short" "$number+:28") ;;
            esac
            for fault in "${faults_of_call[@]}"; do
                may_fail "$call:$fault" "$@"
                runs=$((runs + 1))
            done
        done
    done <<<"$counts"
}

every_fault "${train[@]}" --epochs 2 --out model --resume
every_fault "${train[@]}" --epochs 1 --out new
every_fault "$tool" descend --steps 2 --svg picture
echo "$runs runs with a fault" >&3

# Killed a hundred times, a training that writes all the time goes on each time from where it was.
rm -rf "$faults/now"
cp -a "$faults/before" "$faults/now"
cd "$faults/now"
left=0
for ((kills = 0; kills < 100; ++kills)); do
    "${train[@]}" --epochs 1000000 --out model --resume >"$work/output" 2>"$work/errors" &
    process=$!
    # Now and then while it begins; else it has said what it learns.
    until [ $((kills % 10)) -eq 0 ] || [ -s "$work/output" ] || [ -s "$work/errors" ]; do
        sleep 0.01
    done
    sleep "0.$(printf %03d $((RANDOM % 60)))"
    kill -KILL "$process"
    status=0
    wait "$process" || status=$?
    [ "$status" -eq 137 ] || {
        echo "after $kills kills: status $status"
        cat "$work/errors"
        exit 1
    }
    "$tool" inspect model >"$work/inspected"
    if [ -n "$(find . -name '.recurrent-*')" ]; then left=$((left + 1)); fi
done
[ "$left" -gt 0 ] || { echo "$kills kills, none of them in the middle of a write"; exit 1; }
"${train[@]}" --epochs 1 --out model --resume >/dev/null
if find . -name '.recurrent-*' | grep .; then
    echo "what killed trainings had left behind is still there"
    exit 1
fi
ls -A | sort >"$work/names"
(cd "$faults/before" && ls -A | sort) | cmp - "$work/names"
echo "$kills kills, $left of them in the middle of a write" >&3
