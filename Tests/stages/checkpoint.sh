# Fuzzes the reader of checkpoint files.
fuzz Checkpoint
