"""Makes optimizers.json beside this script: what torch.optim does to the same parameters with the
same gradients, in float64.

Needs torch; the tests only read what it has made.
"""
import json
import pathlib

import torch

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
steps, count = 12, 4
parameters = torch.randn(count)
gradients = torch.randn(steps, count) * torch.tensor([1.0, 1e-3, 1e-7, 10.0])
gradients[4] = 0

optim = torch.optim
variants = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "sgd_decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.25, weight_decay=0.05),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda p: optim.Adagrad(p),
    "adagrad_decay": lambda p: optim.Adagrad(
        p, lr=0.1, lr_decay=0.2, weight_decay=0.05, initial_accumulator_value=0.1),
    "rmsprop": lambda p: optim.RMSprop(p),
    "rmsprop_centered": lambda p: optim.RMSprop(p, alpha=0.9, centered=True, weight_decay=0.05),
    "rmsprop_momentum": lambda p: optim.RMSprop(p, momentum=0.9),
    "rmsprop_centered_momentum": lambda p: optim.RMSprop(p, centered=True, momentum=0.5),
    "adadelta": lambda p: optim.Adadelta(p),
    "adadelta_decay": lambda p: optim.Adadelta(p, lr=0.5, rho=0.95, weight_decay=0.05),
    "adam": lambda p: optim.Adam(p),
    "adam_decay": lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.99), weight_decay=0.05),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, betas=(0.9, 0.9), amsgrad=True),
    "adamw_amsgrad": lambda p: optim.AdamW(
        p, lr=0.01, betas=(0.9, 0.9), weight_decay=0.1, amsgrad=True),
    "nadam": lambda p: optim.NAdam(p),
    "nadam_decay": lambda p: optim.NAdam(
        p, lr=0.01, betas=(0.8, 0.99), momentum_decay=0.5, weight_decay=0.05),
    "nadamw": lambda p: optim.NAdam(p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": lambda p: optim.RAdam(p),
    "radam_decay": lambda p: optim.RAdam(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.05),
    "radamw": lambda p: optim.RAdam(p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    "adamax": lambda p: optim.Adamax(p),
    "adamax_decay": lambda p: optim.Adamax(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.05),
}


def run(make):
    parameter = torch.nn.Parameter(parameters.clone())
    optimizer = make([parameter])
    sequence = []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        sequence.append(parameter.tolist())
    return sequence


def clip(most):
    parameter = torch.nn.Parameter(parameters.clone())
    parameter.grad = gradients[0].clone()
    norm = torch.nn.utils.clip_grad_norm_([parameter], most).item()
    return {"most": most, "norm": norm, "clipped": parameter.grad.tolist()}


golden = {
    "torch": torch.__version__,
    "parameters": parameters.tolist(),
    "gradients": gradients.tolist(),
    "sequences": {name: run(make) for name, make in variants.items()},
    "clips": [clip(most) for most in (1e-3, 0.5, 1e3)],
}
path = pathlib.Path(__file__).with_name("optimizers.json")
path.write_text(json.dumps(golden, indent=0).replace(",\n", ", ").replace("[\n", "[")
                .replace("\n]", "]") + "\n")
