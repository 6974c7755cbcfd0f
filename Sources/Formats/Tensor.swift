// Untrusted bytes in, neutral tensors out.
