"""What a step of a small language model costs more for its loss being recorded: a GPT over characters, of the size that
nanoGPT suggests for a processor (4 layers, 4 heads, 128 wide, 64 characters of context, batches of 12)."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.steps import blocks
from benchmarks.trackers import Tracker

IN_ONE_RUN = True
LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 12
WORDS = "the model of a run and its loss at every step are what people compare when they train it again".split()
STEPS = 4
"""Of a block."""


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand or "torch" in tracker.frameworks)
    return beside.compare("language", chosen, rounds=10, in_blocks=True)


def trainings(tracker: Tracker) -> beside.Trainings:
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    torch.manual_seed(0)
    text = " ".join(random.Random(0).choices(WORDS, k=20_000))
    letters = sorted(set(text))
    data = torch.tensor([letters.index(letter) for letter in text])

    class GPT(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letter = torch.nn.Embedding(len(letters), WIDTH)
            self.position = torch.nn.Embedding(CONTEXT, WIDTH)
            layer = torch.nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.layers = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
            self.head = torch.nn.Linear(WIDTH, len(letters))
            self.mask = torch.nn.Transformer.generate_square_subsequent_mask(CONTEXT)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.letter(x) + self.position(torch.arange(CONTEXT))
            return self.head(self.layers(hidden, mask=self.mask, is_causal=True))  # type: ignore[no-any-return]

    model = GPT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> torch.Tensor:
        starts = torch.randint(len(data) - CONTEXT - 1, (BATCH,)).tolist()
        x = torch.stack([data[at : at + CONTEXT] for at in starts])
        y = torch.stack([data[at + 1 : at + CONTEXT + 1] for at in starts])
        loss = cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return {"language: a step of a small GPT": blocks(tracker, step, STEPS)}
