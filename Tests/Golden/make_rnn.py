"""Makes rnn.safetensors beside this script: forward and backward of nn.RNN, with tanh and with
ReLU, in float64.

Needs torch and safetensors; the tests only read what it has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(4)
inputs, hidden, steps, batch = 3, 17, 7, 2
tensors = {}
for nonlinearity in ["tanh", "relu"]:
    layer = torch.nn.RNN(inputs, hidden, nonlinearity=nonlinearity)
    values = {"x": torch.randn(steps, batch, inputs), "h0": torch.randn(1, batch, hidden)}
    values |= {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}
    layer.double()
    x, h0 = (values[name].double().requires_grad_() for name in ["x", "h0"])
    h, _ = layer(x, h0)
    values["dh"] = torch.randn(steps, batch, hidden)
    (h * values["dh"]).sum().backward()
    results = {"h": h.detach(), "dx": x.grad, "dh0": h0.grad}
    results |= {"d" + name: parameter.grad for name, parameter in layer.named_parameters()}
    tensors |= {f"{nonlinearity}.{name}": tensor for name, tensor in (values | results).items()}
save_file(tensors, pathlib.Path(__file__).parent / "rnn.safetensors")
