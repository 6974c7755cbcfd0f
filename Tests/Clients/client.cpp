// A client in C++11: the same network as client.c's, in memory of a vector, trained until it says
// which token comes next. Its argument is the folder of the files.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "network.h"

namespace {

/// 64 bytes from where a vector's memory may begin to the next place that is aligned.
constexpr std::size_t alignment = 64 / sizeof(float);

class Network {
  public:
    explicit Network(const std::string &path)
        : memory_(network_place(&network_, nullptr) + alignment) {
        void *base = memory_.data();
        std::size_t room = memory_.size() * sizeof(float);
        if (!std::align(64, room - 64, base, room)) throw std::logic_error("no aligned memory");
        network_place(&network_, static_cast<float *>(base));
        network_load(&network_, path.c_str());
    }
    Network(const Network &) = delete;
    Network &operator=(const Network &) = delete;

    /// Logits of one time step, [batch][outputs].
    std::vector<float> step(const std::int32_t *tokens) {
        const recurrent_rows_shape shape = {batch, outputs};
        std::vector<float> padded(recurrent_rows_floats(shape)), logits(batch * outputs);
        network_step(&network_, tokens, padded.data());
        recurrent_rows_unpack(shape, padded.data(), logits.data());
        return logits;
    }

    double learn(const std::vector<std::int32_t> &tokens,
                 const std::vector<std::int32_t> &targets) {
        const double loss = network_gradient(&network_, tokens.data(), targets.data());
        network_update(&network_);
        return loss;
    }

  private:
    network network_;
    std::vector<float> memory_;
};

/// A GRU's shape; throws what is wrong with it.
recurrent_cell_shape gru(std::size_t input, std::size_t units, std::size_t stride) {
    recurrent_cell_shape shape = {};
    shape.cell = recurrent_cell_gru;
    shape.input = input;
    shape.hidden = units;
    shape.batch = shape.steps = 1;
    shape.x_stride = stride;
    if (const char *wrong = recurrent_cell_check(shape)) throw std::invalid_argument(wrong);
    return shape;
}

void check_messages() {
    if (recurrent_cell_weights_floats(gru(2, 3, 2)) != 3 * 16 * (1 + 2 + 1 + 3))
        throw std::logic_error("a GRU's weights: expected 336 floats");
    try {
        gru(2, 3, 1);
    } catch (const std::invalid_argument &wrong) {
        std::cout << wrong.what() << "\n";
        if (std::string(wrong.what())
            == "cell shape: expected an x_stride of at least the input, at most 16777216")
            return;
    }
    throw std::logic_error("rows that overlap: expected their message");
}

void run(const std::string &folder) {
    const double bound = 2 * 1.1920929e-7;  // 2 units in the last place of 1
    std::vector<float> read(rows);
    std::vector<double> expected(rows * outputs);
    char *bytes = read_file((folder + "/state_dict_run.safetensors").c_str());
    read_tensor(bytes, "tokens", rows, sizeof(float), read.data());
    read_tensor(bytes, "logits", rows * outputs, sizeof(double), expected.data());
    free(bytes);
    const std::vector<std::int32_t> tokens(read.begin(), read.end());

    Network network(folder + "/state_dict.safetensors");
    double largest = 0;
    for (std::size_t t = 0; t < steps; ++t) {
        const std::vector<float> logits = network.step(&tokens[t * batch]);
        for (std::size_t k = 0; k < logits.size(); ++k)
            largest = std::max(largest, std::abs(logits[k] - expected[t * logits.size() + k]));
    }
    std::cout << "largest error of a logit " << largest << ", at most " << bound << "\n";
    if (!(largest <= bound)) throw std::logic_error("the logits are not PyTorch's");

    std::vector<std::int32_t> targets(tokens.begin() + batch, tokens.end());
    targets.resize(rows, -1);
    const double before = network.learn(tokens, targets);
    double after = before;
    for (int step = 0; step < 200; ++step) after = network.learn(tokens, targets);
    std::cout << "loss " << before << ", after 200 steps of Adam " << after << "\n";
    if (!(after * 20 <= before)) throw std::logic_error("the loss has not fallen");
}

}  // namespace

int main(int count, char **arguments) {
    try {
        if (count != 2) throw std::invalid_argument("usage: client FOLDER");
        check_messages();
        run(arguments[1]);
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
