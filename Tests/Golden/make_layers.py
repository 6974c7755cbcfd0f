"""Makes layers.safetensors beside this script: activations, batch normalization and layer
normalization of torch.nn, with their gradients, in float64.

Needs torch and safetensors; the tests only read what it has made.
"""
import functools
import pathlib
import re

import torch
from safetensors.torch import save_file

rows, units = 6, 19
tensors = {}


def differentiate(name, function, x, parameters=()):
    """Adds the output for x, and the gradients of its product with a random dy."""
    values = {"x": x, "dy": torch.randn(x.shape)}
    x = x.double().requires_grad_()
    y = function(x)
    (y * values["dy"]).sum().backward()
    values |= {"y": y.detach(), "dx": x.grad}
    values |= {"d" + key: parameter.grad.clone() for key, parameter in parameters}
    tensors.update({f"{name}.{key}": tensor for key, tensor in values.items()})


def differentiate_activation(name, activation):
    x = 3 * torch.randn(rows, units)
    x[0, :2] = torch.tensor([0.0, -40.0])
    differentiate(name, activation, x)


# What is called otherwise in torch.nn.functional, or not there.
others = {
    "gelu_tanh": functools.partial(torch.nn.functional.gelu, approximate="tanh"),
    "hard_sigmoid_fifth": lambda x: (x / 5 + 0.5).clamp(0, 1),
    "hard_sigmoid_sixth": torch.nn.functional.hardsigmoid,
}
header = pathlib.Path(__file__).parents[2] / "CKernels/include/recurrent/activations.h"
for seed, name in enumerate(re.findall(r"ROW\((\w+), [xy], ", header.read_text())):
    torch.manual_seed(100 + seed)  # so that another one changes none
    function = others.get(name) or getattr(torch.nn.functional, name.replace("hard_", "hard"))
    words = name.replace("_relu", "ReLU").split("_")
    differentiate_activation(words[0] + "".join(word.capitalize() for word in words[1:]), function)

torch.manual_seed(8)
differentiate_activation("softmax", functools.partial(torch.nn.functional.softmax, dim=1))

for name, layer in {
    "batch": torch.nn.BatchNorm1d(units), "layer": torch.nn.LayerNorm(units),
}.items():
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    tensors |= {f"{name}.{key}": parameter.detach().clone()
                for key, parameter in layer.named_parameters()}
    layer.double()
    for batch in range(3):
        layer.zero_grad()
        x = torch.randn(rows + batch, units) * torch.rand(units) + 5 * torch.randn(units)
        differentiate(f"{name}{batch}", layer, x, list(layer.named_parameters()))
    if name == "batch":
        tensors |= {f"batch.{key}": average for key, average in layer.named_buffers()
                    if key != "num_batches_tracked"}
        layer.zero_grad()
        differentiate("inference", layer.eval(), torch.randn(rows, units))
save_file({name: tensor.contiguous() for name, tensor in tensors.items()},
          pathlib.Path(__file__).parent / "layers.safetensors")
