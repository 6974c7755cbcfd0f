# How much of the kernels the calls of the stage sanitizers reach: conditions, each of which must by
# itself decide (MC/DC), and lines. What they do not reach on any instruction set is `tile_vectors`
# where a tile has more sums than four passes take, which no tile has, and splits of small layers
# between threads, which `recurrence_cost` never finds worth their while. A processor without
# AVX-512 does not take the ways that only AVX-512 has. barrier.c is not counted, because which of
# its ways are taken depends on how late a thread is.
if has_isa avx512; then conditions=95; else conditions=90; fi
guarded coverage "" -O1 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc
"$tools/llvm-profdata" merge "$work"/coverage/*.profraw -o "$work/coverage/profile"
"$tools/llvm-cov" report "$work/coverage/program" -instr-profile="$work/coverage/profile" \
    --show-mcdc-summary --show-region-summary=false --ignore-filename-regex='/barrier\.c$' \
    CKernels/{vector,threads,matrix,layers,cells,optimizers} | tee "$work/coverage/report"
# TOTAL: functions, missed, covered; lines, …; branches, …; conditions, ….
awk -v conditions="$conditions" '$1 == "TOTAL" {
         print "lines " $7 ", branches " $10 ", MC/DC " $13
         found = $7 + 0 >= 98 && $13 + 0 >= conditions
     }
     END { exit !found }' "$work/coverage/report" >&3
