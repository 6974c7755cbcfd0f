"""Makes losses.safetensors beside this script: losses of torch.nn and their gradients, in float64,
for rows of outputs.

Needs torch and safetensors; the tests only read what it has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(6)
rows, units = 6, 19
# Errors on both sides of Huber's delta; logits from no idea to certain; targets for certain and in
# between.
values = {
    "y": 2 * torch.randn(rows, units),
    "values": torch.randn(rows, units),
    "logits": 9 * torch.randn(rows, units),
}
values["probabilities"] = torch.rand(rows, units).where(
    torch.rand(rows, units) < 0.3, torch.randint(0, 2, (rows, units)).float())
values["y"][1, 3] = values["values"][1, 3]
classes = torch.randint(0, units, (rows,))
losses = {
    "meanSquaredError": ("y", "values", torch.nn.MSELoss()),
    "meanAbsoluteError": ("y", "values", torch.nn.L1Loss()),
    "huber": ("y", "values", torch.nn.HuberLoss(delta=0.75)),
    "binaryCrossEntropy": ("logits", "probabilities", torch.nn.BCEWithLogitsLoss()),
    "crossEntropy": ("logits", classes, torch.nn.CrossEntropyLoss()),
}
tensors = values | {"classes": classes.float()}
for name, (outputs, targets, loss) in losses.items():
    y = values[outputs].double().requires_grad_()
    mean = loss(y, values[targets].double() if isinstance(targets, str) else targets)
    mean.backward()
    tensors |= {f"{name}.loss": mean.detach().reshape(1), f"{name}.gradient": y.grad}
save_file(tensors, pathlib.Path(__file__).parent / "losses.safetensors")
