"""Makes state_dict.safetensors, state_dict_run.safetensors, bare_lstm.safetensors and
element_types.safetensors beside this script.

Needs torch and safetensors; the tests only read what it has made.
"""
import pathlib

import torch
from safetensors.torch import save_file

folder = pathlib.Path(__file__).parent
torch.manual_seed(1)
vocabulary, width, hidden, layers, outputs, steps, batch = 5, 3, 17, 2, 6, 7, 2


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, width)
        self.lstm = torch.nn.LSTM(width, hidden, layers)
        self.dense = torch.nn.Linear(hidden, outputs)

    def forward(self, tokens):
        return self.dense(self.lstm(self.embedding(tokens))[0])


model = Model()
save_file(model.state_dict(), folder / "state_dict.safetensors",
          metadata={"vocabulary": 'a"\\\n\té\U0001f600'})
save_file(torch.nn.LSTM(width, hidden).state_dict(), folder / "bare_lstm.safetensors")

tokens = torch.randint(vocabulary, (steps, batch))
logits = model.double()(tokens).detach()
save_file({"tokens": tokens.float(), "logits": logits}, folder / "state_dict_run.safetensors")

values = torch.cat([torch.randn(9) * 10.0 ** torch.arange(-9, 0),
                    torch.tensor([0.0, -0.0, 1e30, float("inf"), -float("inf")])])
tensors = {
    "f32": values,
    "i64": torch.arange(3),
    "bool": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(1.5),
}
for name, dtype in {"f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16}.items():
    tensors[name] = values.to(dtype)
    tensors[name + "_as_f32"] = values.to(dtype).to(torch.float32)
save_file(tensors, folder / "element_types.safetensors")
