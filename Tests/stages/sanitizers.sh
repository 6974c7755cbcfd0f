# Every kernel between guard pages under the sanitizers. UndefinedBehaviorSanitizer's whole runtime
# makes optimized kernels enormous; the minimal one says what happened at which address.
guarded address "behind in_front" -O1 -g1 -fsanitize=address
guarded memory "behind in_front uninitialized" -O1 -g1 -fsanitize=memory
guarded undefined "behind in_front overflow" -O1 -g1 -fsanitize=undefined \
    -fno-sanitize-recover=all -fsanitize-minimal-runtime
guarded realtime "behind in_front allocation" -O2 -g1 -fsanitize=realtime
