# All tests, in a debug build, those beside OpenBLAS included. The kernels are optimized: compiling
# them as they stand takes longer, and they run ten times as long. The stage golden looks at their
# bits in that form.
run_tests --traits OpenBLAS -Xcc -O2
