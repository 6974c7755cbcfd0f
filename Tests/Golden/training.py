"""Writes training.safetensors (initial weights) and training.json (losses of 100 training steps in
float64, for each optimizer): what Recurrent's trainer must follow. Needs torch and numpy; the tests
need only the two files.

    python3 Tests/Golden/training.py
"""

import json
import pathlib
import struct

import numpy
import torch

VOCABULARY, DIMENSION, HIDDEN, LAYERS, BATCH, STEPS, UPDATES, CLIP = 23, 9, 19, 2, 4, 12, 100, 0.1
HERE = pathlib.Path(__file__).parent


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, DIMENSION)
        self.lstm = torch.nn.LSTM(DIMENSION, HIDDEN, num_layers=LAYERS)
        self.dense = torch.nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, tokens, state):
        hidden, state = self.lstm(self.embedding(tokens), state)
        return self.dense(hidden), state


def tokens():
    """Returns [UPDATES * STEPS + 1][BATCH], with something to learn: the formula of the test."""
    rows = numpy.arange(UPDATES * STEPS + 1)[:, None]
    columns = numpy.arange(BATCH)[None, :]
    return torch.from_numpy((rows * rows + 5 * rows // 3 + 7 * columns) % VOCABULARY)


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = tensor.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def losses(initial, optimizer):
    model = Model().double()
    model.load_state_dict({name: value.double() for name, value in initial.items()})
    # Recurrent's LSTM has one bias, the sum of PyTorch's two: the second is added to the first and
    # left out of training.
    for layer in range(LAYERS):
        first, second = (getattr(model.lstm, f"bias_{part}_l{layer}") for part in ("ih", "hh"))
        first.data += second.data
        second.data.zero_()
        second.requires_grad_(False)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rule = optimizer(parameters)
    state, text, result = None, tokens(), []
    for update in range(UPDATES):
        segment = text[update * STEPS:(update + 1) * STEPS + 1]
        logits, state = model(segment[:-1], state)
        state = tuple(part.detach() for part in state)
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, VOCABULARY), segment[1:].reshape(-1))
        rule.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        rule.step()
        result.append([loss.item(), norm.item()])
    return result


torch.set_num_threads(1)
torch.manual_seed(1)
initial = {name: value.detach().clone() for name, value in Model().state_dict().items()}
save(HERE / "training.safetensors", initial)
optimizers = {
    "sgd": lambda p: torch.optim.SGD(p, lr=3.0),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.002),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
    "adam": lambda p: torch.optim.Adam(p, lr=0.003),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.003, weight_decay=0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.003, amsgrad=True),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.003),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.003),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.005),
}
lines = [f'  "{name}": {json.dumps(losses(initial, rule))}' for name, rule in optimizers.items()]
(HERE / "training.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
