// All kernel bodies, in the order in which they use each other; each instruction set includes this once.
#include "../kernels/lanes.h"
#ifdef NEEDS_EMULATED_FMA
#include "emulated_fma.h"
#endif
#include "../kernels/vmath.h"
#include "../kernels/products.h"
#include "../kernels/lstm.h"
#include "../kernels/embedding.h"
#include "../kernels/softmax.h"
#include "../kernels/losses.h"
#include "../kernels/dropout.h"
#include "../kernels/clip.h"
#include "../kernels/sgd.h"
#include "../kernels/adagrad.h"
#include "../kernels/rmsprop.h"
#include "../kernels/adadelta.h"
#include "../kernels/adam.h"
