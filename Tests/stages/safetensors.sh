# Fuzzes the reader of safetensors files.
fuzz Safetensors
