// A client in C11: loads the weights of a network that PyTorch has made, steps it to PyTorch's
// logits, computed in double, and trains it. Its argument is the folder of the files.
#include "network.h"

/// The largest error that the logits of two layers, sums of 17 terms below 1, may have: 2 units in
/// the last place of 1.
#define BOUND (2 * 1.1920929e-7)
/// By what training must divide the loss.
#define FALL 20

static void check_messages(void) {
    recurrent_cell_shape shape = {.input = 1, .hidden = 0, .batch = 1, .steps = 1, .x_stride = 1};
    const char *wrong = recurrent_cell_check(shape);
    require(wrong
                && strcmp(wrong, "cell shape: expected input, hidden, batch and steps of 1 to "
                                 "16777216")
                       == 0,
            "a shape without hidden units: expected its message");
    printf("%s\n", wrong);
}

/// The largest error of the stream's logits.
static double largest_error(network *n, const int32_t *tokens, const double *expected) {
    float logits[batch * RECURRENT_PANEL];
    double largest = 0;
    for (int t = 0; t < steps; ++t) {
        network_step(n, tokens + t * batch, logits);
        for (int b = 0; b < batch; ++b)
            for (int k = 0; k < outputs; ++k) {
                const double error =
                    fabs(logits[b * RECURRENT_PANEL + k] - expected[(t * batch + b) * outputs + k]);
                if (!(error <= largest)) largest = error;
            }
    }
    return largest;
}

int main(int count, char **arguments) {
    char path[4096];
    float tokens_read[rows];
    double expected[rows * outputs];
    int32_t tokens[rows], targets[rows];
    network n;
    require(count == 2, "usage: client FOLDER");
    check_messages();

    float *memory = (float *)aligned_alloc(64, network_place(&n, NULL) * sizeof(float));
    require(memory != NULL, "no memory");
    memset(memory, 0, network_place(&n, NULL) * sizeof(float));
    network_place(&n, memory);
    snprintf(path, sizeof path, "%s/state_dict.safetensors", arguments[1]);
    network_load(&n, path);

    snprintf(path, sizeof path, "%s/state_dict_run.safetensors", arguments[1]);
    char *run = read_file(path);
    read_tensor(run, "tokens", rows, sizeof(float), tokens_read);
    read_tensor(run, "logits", rows * outputs, sizeof(double), expected);
    free(run);
    for (int row = 0; row < rows; ++row) tokens[row] = (int32_t)tokens_read[row];
    // What comes next; nothing past the last step.
    for (int row = 0; row < rows; ++row)
        targets[row] = row + batch < rows ? tokens[row + batch] : -1;

    const double error = largest_error(&n, tokens, expected);
    printf("largest error of a logit %.2g, at most %.2g\n", error, BOUND);
    require(error <= BOUND, "the logits are not PyTorch's");

    const double before = network_gradient(&n, tokens, targets);
    double after = before;
    for (int step = 0; step < 200; ++step) {
        network_update(&n);
        after = network_gradient(&n, tokens, targets);
    }
    printf("loss %.4f, after 200 steps of Adam %.4f\n", before, after);
    require(after > 0 && after * FALL <= before, "the loss has not fallen");
    free(memory);
    return 0;
}
