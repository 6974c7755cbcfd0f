# Fuzzes every kernel, with shapes and data from the input, between guard pages.
fuzz Shapes -max_len=64
