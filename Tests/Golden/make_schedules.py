"""Makes schedules.json beside this script: the learning rates of torch.optim.lr_scheduler over 60
updates, the first rate being 1.

Needs torch; the tests only read what it has made.
"""
import json
import pathlib

import torch

schedulers = torch.optim.lr_scheduler
steps = 60
variants = {
    "steps": lambda o: schedulers.StepLR(o, 7, 0.3),
    "exponential": lambda o: schedulers.ExponentialLR(o, 0.9),
    "inverse_time": lambda o: schedulers.LambdaLR(o, lambda t: 1 / (1 + 0.25 * t)),
    "linear": lambda o: schedulers.LinearLR(o, 0.25, 0.75, 13),
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, steps, 0.1),
    "restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 8, 1, 0.05),
    "growing_restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 5, 2, 0.05),
    "one_cycle": lambda o: schedulers.OneCycleLR(o, 1, total_steps=steps, cycle_momentum=False),
    "early_cycle": lambda o: schedulers.OneCycleLR(
        o, 1, total_steps=steps, pct_start=0.1, div_factor=10, final_div_factor=50,
        cycle_momentum=False),
    "warm_up": lambda o: schedulers.SequentialLR(
        o, [schedulers.LinearLR(o, 0.1, 1, 9), schedulers.CosineAnnealingLR(o, 40, 0.1)], [9]),
}
errors = [5, 4, 4.5, 3.9, 4, 3.95, 3.96, 3.91, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.4, 3.3, 3.35, 3.34,
          3.33, 3.32, 3.31]


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def rates(make):
    rule = optimizer()
    scheduler = make(rule)
    sequence = []
    for _ in range(steps):
        sequence.append(rule.param_groups[0]["lr"])
        rule.step()
        scheduler.step()
    return sequence


def plateau(**settings):
    rule = optimizer()
    scheduler = schedulers.ReduceLROnPlateau(rule, factor=0.5, threshold_mode="abs", **settings)
    sequence = []
    for error in errors:
        scheduler.step(error)
        sequence.append(rule.param_groups[0]["lr"])
    return sequence


golden = {
    "torch": torch.__version__,
    "rates": {name: rates(make) for name, make in variants.items()},
    "errors": errors,
    "plateaus": {
        "patience_0": plateau(patience=0, threshold=0),
        "patience_2": plateau(patience=2, threshold=0.15),
    },
}
path = pathlib.Path(__file__).with_name("schedules.json")
path.write_text(json.dumps(golden, indent=0).replace(",\n", ", ").replace("[\n", "[")
                .replace("\n]", "]") + "\n")
