"""Makes lstm_projection.safetensors beside this script: forward and backward of an nn.LSTM with
proj_size, in float64.

Needs torch and safetensors; the tests only read what it has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(6)
inputs, hidden, projected, steps, batch = 3, 19, 5, 7, 2
layer = torch.nn.LSTM(inputs, hidden, proj_size=projected)
tensors = {
    "x": torch.randn(steps, batch, inputs),
    "h0": torch.randn(1, batch, projected),
    "c0": torch.randn(1, batch, hidden),
}
tensors |= {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}
layer.double()
x, h0, c0 = (tensors[name].double().requires_grad_() for name in ["x", "h0", "c0"])
h, (_, c) = layer(x, (h0, c0))
tensors |= {"dy": torch.randn(steps, batch, projected), "dc": torch.randn(1, batch, hidden)}
((h * tensors["dy"]).sum() + (c * tensors["dc"]).sum()).backward()
tensors |= {"h": h.detach(), "c": c.detach(), "dx": x.grad, "dh0": h0.grad, "dc0": c0.grad}
tensors |= {"d" + name: parameter.grad for name, parameter in layer.named_parameters()}
save_file(tensors, pathlib.Path(__file__).parent / "lstm_projection.safetensors")
