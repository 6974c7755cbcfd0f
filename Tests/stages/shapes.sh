# Fuzzes every kernel by the scenarios of all: shape, variant, data and partitions come from the
# input.
fuzz Shapes -max_len=10
