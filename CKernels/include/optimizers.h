// Hyperparameters of the optimizer updates.
#ifndef RECURRENT_OPTIMIZERS_H
#define RECURRENT_OPTIMIZERS_H

#include <stddef.h>

#endif
