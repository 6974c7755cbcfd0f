"""Makes layers.safetensors beside this script: activations, batch normalization and layer normalization of torch.nn, with their gradients, in
float64.

Needs torch and safetensors; the tests only read what it has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(8)
rows, units = 6, 19
tensors = {}


def differentiate(name, function, x, parameters=()):
    """The output for x, and the gradients of its product with a random dy by x and by the parameters."""
    values = {"x": x, "dy": torch.randn(x.shape)}
    x = x.double().requires_grad_()
    y = function(x)
    (y * values["dy"]).sum().backward()
    values |= {"y": y.detach(), "dx": x.grad}
    values |= {"d" + key: parameter.grad.clone() for key, parameter in parameters}
    tensors.update({f"{name}.{key}": tensor for key, tensor in values.items()})


for name, activation in {
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
    "relu": torch.nn.ReLU(),
    "leakyReLU": torch.nn.LeakyReLU(),
    "softmax": torch.nn.Softmax(dim=1),
}.items():
    x = 3 * torch.randn(rows, units)
    x[0, :2] = torch.tensor([0.0, -40.0])
    differentiate(name, activation, x)

for name, layer in {"batch": torch.nn.BatchNorm1d(units), "layer": torch.nn.LayerNorm(units)}.items():
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    tensors |= {f"{name}.{key}": parameter.detach().clone() for key, parameter in layer.named_parameters()}
    layer.double()
    for batch in range(3):
        layer.zero_grad()
        x = torch.randn(rows + batch, units) * torch.rand(units) + 5 * torch.randn(units)
        differentiate(f"{name}{batch}", layer, x, list(layer.named_parameters()))
    if name == "batch":
        tensors |= {f"batch.{key}": average for key, average in layer.named_buffers() if key != "num_batches_tracked"}
        layer.zero_grad()
        differentiate("inference", layer.eval(), torch.randn(rows, units))
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, pathlib.Path(__file__).parent / "layers.safetensors")
