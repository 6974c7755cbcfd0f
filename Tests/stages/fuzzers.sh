# Builds the fuzzers.
swift build --package-path fuzz -c release -Xswiftc -sanitize=fuzzer,address \
    -Xcc -fsanitize=fuzzer-no-link,address
