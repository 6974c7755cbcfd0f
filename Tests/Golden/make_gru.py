"""Makes gru.safetensors beside this script: forward and backward of a bidirectional nn.GRU, in
float64.

Needs torch and safetensors; the tests only read what it has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(5)
inputs, hidden, steps, batch = 3, 17, 7, 2
layer = torch.nn.GRU(inputs, hidden, bidirectional=True)
tensors = {"x": torch.randn(steps, batch, inputs), "h0": torch.randn(2, batch, hidden)}
tensors |= {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}
layer.double()
h0 = tensors["h0"].double().requires_grad_()
tensors["dh"] = torch.randn(steps, batch, 2 * hidden)
# A leaf for each direction, which has a gradient with respect to its own input.
for direction, suffix in enumerate(["", "_reverse"]):
    x = tensors["x"].double().requires_grad_()
    h, _ = layer(x, h0)
    own = slice(direction * hidden, (direction + 1) * hidden)
    (h[:, :, own] * tensors["dh"][:, :, own]).sum().backward()
    tensors |= {"h" + suffix: h[:, :, own].detach().clone(), "dx" + suffix: x.grad}
tensors["dh0"] = h0.grad
tensors |= {"d" + name: parameter.grad for name, parameter in layer.named_parameters()}
tensors["dy"], tensors["dy_reverse"] = (part.clone() for part in tensors.pop("dh").chunk(2, 2))
save_file(tensors, pathlib.Path(__file__).parent / "gru.safetensors")
