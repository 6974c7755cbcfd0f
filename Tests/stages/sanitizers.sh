# Every kernel between guard pages under the sanitizers. Where the compiler unrolls as it optimizes,
# UndefinedBehaviorSanitizer's checks make the kernels enormous.
guarded address "behind in_front" -O1 -g1 -fsanitize=address
guarded memory "behind in_front uninitialized" -O1 -g1 -fsanitize=memory
guarded undefined "behind in_front overflow" -O0 -g1 -fsanitize=undefined -fno-sanitize-recover=all
guarded realtime "behind in_front allocation" -O2 -g1 -fsanitize=realtime
