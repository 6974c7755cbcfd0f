// Tensors of a safetensors file that is known to be right: what a client needs to load the weights
// that PyTorch has saved. Not for other people's files.
#ifndef WEIGHTS_FILE_H
#define WEIGHTS_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Ends the program with a message, unless the condition holds.
static inline void require(int holds, const char *message) {
    if (holds) return;
    fprintf(stderr, "%s\n", message);
    exit(1);
}

/// The bytes of a file and a zero, to be freed.
static inline char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    require(file != NULL, path);
    require(fseek(file, 0, SEEK_END) == 0, path);
    const long size = ftell(file);
    require(size > 8, path);
    char *bytes = (char *)calloc((size_t)size + 1, 1);
    require(bytes && fseek(file, 0, SEEK_SET) == 0, path);
    require(fread(bytes, 1, (size_t)size, file) == (size_t)size, path);
    fclose(file);
    return bytes;
}

/// The tensor `name`, of `count` elements of so many bytes, copied out of the bytes of a file.
static inline void read_tensor(const char *bytes, const char *name, size_t count, size_t size,
                               void *elements) {
    char quoted[64];
    uint64_t header;
    unsigned long begin = 0, end = 0;
    memcpy(&header, bytes, sizeof header);
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(bytes + sizeof header, quoted);
    require(at != NULL, name);
    at = strstr(at, "\"data_offsets\":[");
    require(at && sscanf(at, "\"data_offsets\":[%lu,%lu]", &begin, &end) == 2, name);
    require(end - begin == count * size, name);
    memcpy(elements, bytes + sizeof header + header + begin, count * size);
}

#endif
