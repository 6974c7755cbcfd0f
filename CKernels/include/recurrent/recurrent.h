// The C kernels of Recurrent: recurrent layers and optimizer updates over buffers that the caller
// owns. Nothing here allocates, locks, calls the system or the maths library; every kernel gives
// the same bits on every instruction set. kernel_list.h has each kernel with its contract.
#ifndef RECURRENT_H
#define RECURRENT_H

#include "cells.h"
#include "shapes.h"
#include "partitions.h"
#include "float_mode.h"
#include "isa.h"
#include "checks.h"
#include "kernel_order.h"

#endif
