// What every instruction set's source starts with. System headers must come before the target attribute.
#include "../include/CKernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang fp contract(off)
#pragma clang diagnostic error "-Wfunction-effects"
#pragma clang diagnostic ignored "-Wpsabi"

#define NONBLOCKING RECURRENT_NONBLOCKING
#define UNROLL _Pragma("clang loop unroll(full)")
