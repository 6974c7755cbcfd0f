# All tests, in a debug build, those beside OpenBLAS included.
run_tests --traits OpenBLAS
