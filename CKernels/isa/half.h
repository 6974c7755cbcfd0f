// What the kernels need for panels of which only the lower half is used, once more for vectors of 8
// lanes. The functions keep their names, because they are overloaded; the types have others.
#pragma push_macro("TILE_SUMS")
#undef TILE_SUMS
#define TILE_SUMS TILE_HALF_SUMS
#define lanes lanes_half
#define lanes_int lanes_half_int
#define lanes_bits lanes_half_bits
#define lanes_splat lanes_half_splat
#define lanes_load lanes_half_load
#define exp_factors exp_half_factors
#define exp_parts exp_half_parts
#include "../vector/vmath.h"
#include "../matrix/tile.h"
/// Of cells whose last panel is half full the plain one alone, forward: its activations.
INLINE lanes cell_activated(const recurrent_activation f, float slope, lanes x) {
    (void)slope;
    return f == recurrent_activation_sigmoid ? lanes_sigmoid(x) : lanes_tanh(x);
}
#include "../cells/lstm_cell.h"
#undef lanes
#undef lanes_int
#undef lanes_bits
#undef lanes_splat
#undef lanes_load
#undef exp_factors
#undef exp_parts
#pragma pop_macro("TILE_SUMS")
