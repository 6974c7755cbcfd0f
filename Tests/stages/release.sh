# All tests, in a release build as users have it. In the long form the elementary functions are
# tested on all 2^32 floats.
RECURRENT_EXHAUSTIVE=$exhaustive run_tests -c release
