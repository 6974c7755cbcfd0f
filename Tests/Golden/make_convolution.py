"""Makes convolution.safetensors beside this script: forward and backward of nn.Conv1d and
nn.Conv2d, of max, average and sum pooling, in float64.

Images are stored with their channels last. Needs torch and safetensors; the tests only read what it
has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(8)
tensors = {}


def add(name, layer, size, **parameters):
    """Adds a layer's input and output, and the gradients with respect to them and to all else."""
    def last(tensor):
        return tensor.detach().movedim(1, -1).contiguous()

    x = torch.randn(size)
    # Some inputs are equal, so that the largest is not unique.
    x = x if parameters else (2 * x).round()
    inputs = [tensor.double().requires_grad_() for tensor in [x, *parameters.values()]]
    y = layer(*inputs)
    dy = torch.randn(y.shape)
    (y * dy).sum().backward()
    tensors.update({f"{name}.x": last(x), f"{name}.y": last(y), f"{name}.dy": last(dy),
                    f"{name}.dx": last(inputs[0].grad)})
    for (parameter, value), tensor in zip(parameters.items(), inputs[1:]):
        tensors.update({f"{name}.{parameter}": value, f"{name}.d{parameter}": tensor.grad})


functions = torch.nn.functional
add("conv1d", lambda x, w, b: functions.conv1d(x, w, b, stride=2, padding=3, dilation=2),
    (3, 5, 14), weight=torch.randn(18, 5, 4), bias=torch.randn(18))
add("conv2d",
    lambda x, w, b: functions.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    (2, 3, 7, 6), weight=torch.randn(17, 3, 3, 2), bias=torch.randn(17))
add("max1d", lambda x: functions.max_pool1d(x, 3, stride=2, padding=1, dilation=2), (2, 4, 11))
add("max2d", lambda x: functions.max_pool2d(x, (2, 3), stride=(2, 1), padding=(0, 1)),
    (2, 18, 6, 5))
add("average1d", lambda x: functions.avg_pool1d(x, 3, stride=2, padding=1), (2, 4, 10))
add("average2d", lambda x: functions.avg_pool2d(x, (3, 2), stride=(1, 2), padding=1), (2, 3, 5, 6))
add("sum2d", lambda x: functions.avg_pool2d(x, 2, divisor_override=1), (1, 3, 4, 6))
save_file(tensors, pathlib.Path(__file__).parent / "convolution.safetensors")
