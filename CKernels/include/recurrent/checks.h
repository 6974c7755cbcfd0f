// Whether kernels can be called with a shape: for those who take dimensions from elsewhere. Kernels
// look at none themselves.
#ifndef RECURRENT_CHECKS_H
#define RECURRENT_CHECKS_H

#include "cells.h"
#include "compiler.h"
#include "shapes.h"

/// The largest dimension: 2^24, up to which a float counts.
#define RECURRENT_LARGEST_DIMENSION 16777216
/// The most rows of a call, steps × sequences or places of all images: 2^31.
#define RECURRENT_LARGEST_ROW_COUNT 2147483648

// Each returns null where all is well: the dimensions, rows and strides are in range, enumerations
// have a value that is one of theirs, and no buffer of the shape has more bytes than a pointer can
// span, so that no `recurrent_*_floats` overflows. Otherwise it returns what was expected: a text
// that is never freed.

RECURRENT_EXTERN_C_BEGIN
RECURRENT_NONNULL_BEGIN

/// Groups are 1 to 4.
const char *RECURRENT_NULLABLE recurrent_product_check(recurrent_product_shape shape);
const char *RECURRENT_NULLABLE recurrent_cell_check(recurrent_cell_shape shape);
/// Every window is one that padding of any length past the last place has room for.
const char *RECURRENT_NULLABLE recurrent_convolution_check(recurrent_convolution_shape shape);
const char *RECURRENT_NULLABLE recurrent_pooling_check(recurrent_pooling_shape shape);
const char *RECURRENT_NULLABLE recurrent_rows_check(recurrent_rows_shape shape);
const char *RECURRENT_NULLABLE recurrent_embedding_check(recurrent_embedding_shape shape);
const char *RECURRENT_NULLABLE recurrent_sequence_check(recurrent_sequence_shape shape);

RECURRENT_NONNULL_END
RECURRENT_EXTERN_C_END

#endif
