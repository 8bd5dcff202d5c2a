"""Numbers that a program prints: under which label, at which step, and which are no metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotrack.printed.lines import read
from autotrack.testing import Recording, run_program

NAN = float("nan")

LINES: list[tuple[str, dict[str, int], dict[str, float]]] = [
    ("Epoch 3/10, Loss: 0.5, Acc: 93.2%", {"epoch": 3}, {"loss": 0.5, "acc": 93.2}),
    ("epoch=5 train_loss=0.2 val_loss=0.3 val_acc=.9",
     {"epoch": 5}, {"train/loss": 0.2, "valid/loss": 0.3, "valid/acc": 0.9}),
    ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.3", {"epoch": 1, "batch": 640}, {"train/loss": 2.3}),
    ("Test set: Average loss: 0.03, Accuracy: 9905/10000 (99%)", {}, {"test/loss": 0.03, "test/accuracy": 99}),
    ("Accuracy: 450/500", {}, {"accuracy": 0.9}),
    ("Score: 3/5", {}, {"score": 3}),
    ("train step #3 accuracy: 0.5, loss: 0.25", {"step": 3}, {"train/accuracy": 0.5, "train/loss": 0.25}),
    ("| Epoch: 1/2 (3/300) | Loss: 0.5 |", {"epoch": 1, "batch": 3}, {"loss": 0.5}),
    ("iter: 5, Average PSNR : 27.88dB", {"iter": 5}, {"psnr": 27.88}),
    ("- Top 5: 0.25", {}, {"top5": 0.25}),
    ("[Evaluate] Step_0000020: mean_reward:-3.5", {"step": 20}, {"reward": -3.5}),
    ("EP3 EpisodeReward=14.0", {"ep": 3}, {"episode_reward": 14.0}),
    ("train: epoch 0, nll 9.5, rc 0.5", {"epoch": 0}, {"train/nll": 9.5, "train/rc": 0.5}),
    ("Epoch12 --> loss: 0.25", {"epoch": 12}, {"loss": 0.25}),
    ("episode: 2  score: 1.5  steps: 410", {"episode": 2}, {"score": 1.5}),
    ("Avg. reward: 24.5 | Avg. Q: 0.75", {}, {"reward": 24.5, "q": 0.75}),
    ("frame: 10000  eps: 0.769  per_life: 6.7", {"frame": 10000}, {"eps": 0.769, "per_life": 6.7}),
    ("Accuracy of the network on the 10000 test images: 54 %", {}, {"test/accuracy": 54}),
    ("| epoch   1 |   200/ 2928 batches | lr 5.00 | ms/batch 12.3 | loss  6.90 | ppl  1000.05",
     {"epoch": 1, "batch": 200}, {"lr": 5.0, "loss": 6.9, "ppl": 1000.05}),
    ("[1/25][300/782] Loss_D: 0.1 D(x): 0.9", {"epoch": 1, "batch": 300}, {"loss_d": 0.1, "d_x": 0.9}),
    ("Epoch: [0][10/5005] Time 0.12 (0.23) Loss 6.9e+00 (7.0e+00) Acc@1 0.25 (0.10)",
     {"epoch": 0, "batch": 10}, {"loss": 6.9, "loss.avg": 7.0, "acc@1": 0.25, "acc@1.avg": 0.1}),
    ("Epoch 3 Time 0.12 (0.01) Loss 0.5 (0.25)", {"epoch": 3}, {"loss": 0.5}),
    ("Epoch 3 [1/9] Loss 0.5 (0.25)", {"epoch": 3, "batch": 1}, {"loss": 0.5}),
    ("Mean CV accuracy: 0.95 (+/- 0.02)", {}, {"cv/accuracy": 0.95, "cv/accuracy.std": 0.02}),
    ("R2 Score: 0.85, Mean squared error: 12.1", {}, {"r2": 0.85, "mse": 12.1}),
    ("Best val acc: 0.93 at epoch 12", {"epoch": 12}, {"valid/best_acc": 0.93}),
    ("Loss after epoch 3: 0.5", {"epoch": 3}, {"loss": 0.5}),
    ("Finished it 10/100 of epoch 3, loss 0.5", {"it": 10, "epoch": 3}, {"loss": 0.5}),
    ("2024-01-02 12:30:45 INFO loss=0.31 step=200", {"step": 200}, {"loss": 0.31}),
    ("{'loss': 0.25, 'epoch': 3}", {"epoch": 3}, {"loss": 0.25}),
    ("scores: [0.9 0.8 0.95]", {}, {"score[0]": 0.9, "score[1]": 0.8, "score[2]": 0.95}),
    ("\x1b[94mtest\x1b[0m loss: 0.5", {}, {"test/loss": 0.5}),
    ("Epoch: 1, Steps: 3 | Loss: 0.6", {"epoch": 1}, {"loss": 0.6}),
    ("it 3 12.5 iters/s loss 0.5", {"it": 3}, {"loss": 0.5}),
    ("Start step 0; Training for 4 steps: loss=0.5", {}, {"train/loss": 0.5}),
    ("Epoch 1, loss: 0.5, average loss: 0.6", {"epoch": 1}, {"loss": 0.5, "average_loss": 0.6}),
    ("Loss after seen_examples=7 epoch=2: 0.5", {"epoch": 2}, {"loss": 0.5}),
    ("Average Episodic Length: 182.67", {}, {"episodic_length": 182.67}),
    ("Epoch 3: D (0.4 real_err, 0.3 fake_err) G (0.7 err)",
     {"epoch": 3}, {"d_real_err": 0.4, "fake_err": 0.3, "g_err": 0.7}),
    ("Epoch 3: 0.5 loss, 93.1% accuracy", {"epoch": 3}, {"loss": 0.5, "accuracy": 93.1}),
    ("loss: 0.5; acc: 45/50=0.9", {}, {"loss": 0.5, "acc": 0.9}),
    ("loss -inf", {}, {"loss": -float("inf")}),
    ("ds=a:b mode=fast auc=0.99", {}, {"auc": 0.99}),
    ("Batch 3/9, Loss 0.5, KL-Weight 0.25", {"batch": 3}, {"loss": 0.5, "kl_weight": 0.25}),
    ("D(G(z)): 0.5 -> 0.25", {}, {"d_g_z": 0.5}),
    ("Epoch 3 loss 0.5, best acc 0.7 -> 0.8", {"epoch": 3}, {"loss": 0.5}),
]  # fmt: skip

NO_METRICS = [
    "X shape: (100, 20)",
    "Using device: cuda:0",
    "Saved checkpoint to model_10.pt",
    "number of parameters: 10.65M",
    "Training on 50000 samples",
    "using mix-up with rate 0.5",
    "max episode length: 1000.0",
    "Batch size: 64",
    "Using seed 42",
    "Epoch 1 completed in 12.3s",
    "Time taken for epoch 1: 12.3 sec",
    "Early stopping at epoch 12",
    "Namespace(lr=0.1, epochs=3, dropout=0.4)",
    "Loss weight: 0.5",
    "Validation loss decreased (inf --> 0.5).  Saving model ...",
    "Epoch 3: val_acc improved from 0.25 to 0.5",
    "Val accuracy increased (50.0% -> 60.0%)",
    "Validation loss decreased by 0.5",
    "Accuracy threshold: 0.9",
    "torch 2.1.0, python 3.11.7",
    "192.168.0.1:8080",
    "Real Dist ([np.float64(4.0), np.float64(1.25)])",
    "Elapsed: 0:01:23",
    "[0.1, 0.2, 0.3]",
    "split0: array([0.1, 0.2,",
]


@pytest.mark.parametrize(("text", "counters", "values"), LINES, ids=[text for text, _, _ in LINES])
def test_a_line(text: str, counters: dict[str, int], values: dict[str, float]) -> None:
    line = read(text)
    assert {word: value for word, (value, _) in line.counters.items()} == counters
    assert {name: value for name, value, _ in line.values} == pytest.approx(values)


@pytest.mark.parametrize("text", NO_METRICS)
def test_what_is_no_metric(text: str) -> None:
    line = read(text)
    assert [name for name, _, known in line.values if known or line.counters] == []


def printed(source: str, folder: Path, env: dict[str, str] | None = None) -> dict[str, list[tuple[int, float]]]:
    """The points of what a program prints, which prints the same with and without."""
    plain = run_program(source, folder, tracked=False)
    given = {"AUTOTRACK_STRICT": "1", "AUTOTRACK_QUIET": "1", **(env or {})}
    done = run_program(source, folder, env=given)
    assert (done.returncode, done.stdout, done.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    found: dict[str, list[tuple[int, float]]] = {}
    if (folder / ".autotrack").exists():
        for strand in Recording(folder / ".autotrack").strands(printed=True):
            found |= strand.points
    return found


LOOP = """
def work():
    for epoch in range(3):
        loss, acc = 1 / (epoch + 3), 1 - 1 / (epoch + 7)
        {}
work()
"""
LOSS = [(epoch, 1 / (epoch + 3)) for epoch in range(3)]
ACC = [(epoch, 1 - 1 / (epoch + 7)) for epoch in range(3)]

PRINTS = [
    'print(f"epoch {epoch} loss {loss:.2f} acc {acc:.2%}")',
    'print("epoch %d loss %.2f acc %.3f" % (epoch, loss, acc))',
    'print("epoch {} loss {:.2f} acc {a:.3f}".format(epoch, loss, a=acc))',
    'print("epoch", epoch, "loss", loss, "acc", acc)',
    'print("epoch", epoch, "loss", loss, "acc:", acc, sep="\\t")',
    'print("epoch " + str(epoch) + " loss " + str(loss) + ", acc " + str(acc))',
    'print(f"loss {loss:.2f} acc {acc:.2f}")',
    'print(loss, acc)',
    'print(f"epoch {epoch}", end=" "); print(f"loss {loss:.3f}, acc {acc:.3f}")',
    'print(f"Epoch {epoch}\\n-------\\n loss: {loss:>8f} \\n acc: {acc:.4f}")',
    'text = f"epoch {epoch}: loss {loss:.2f}, "\n        text += f"acc {acc:.2f}"\n        print(text)',
    'print("\\t".join(["epoch %d" % epoch, "loss %.2f" % loss, f"acc {acc:.3f}"]))',
    'print("[{}{}]".format("=" * epoch, " " * (3 - epoch)), "epoch", epoch, "loss", loss, "acc", acc, end=" ")',
    'print(f"{chr(61) * epoch}{chr(32) * (3 - epoch)}: {epoch} (loss {loss:.3f} acc {acc:.3f})")',
    'import sys; sys.stdout.write("epoch=%d loss=%.2f acc=%.2f\\n" % (epoch, loss, acc))',
    'import logging; logging.warning("epoch %d loss %.2f acc %.2f", epoch, loss, acc)',
    'import logging; logging.getLogger("x").warning(f"epoch {epoch} loss {loss:.2f} acc {acc:.2f}")',
]  # fmt: skip


@pytest.mark.parametrize("statement", PRINTS)
def test_a_plain_variable_has_its_full_precision_and_its_step(statement: str, tmp_path: Path) -> None:
    found = printed(LOOP.format(statement), tmp_path)
    assert found["loss"] == LOSS
    assert found["acc"] == ACC
    assert found.keys() == {"loss", "acc"}


def test_two_units_are_two_series(tmp_path: Path) -> None:
    source = """
for epoch in range(3):
    print(f"epoch {epoch}: acc {(epoch + 1) / 8}")
    print(f"epoch {epoch}: acc {100 * (epoch + 1) / 8}%")
"""
    found = printed(source, tmp_path)
    assert found == {
        "acc": [(0, 0.125), (1, 0.25), (2, 0.375)],
        "acc.percent": [(0, 12.5), (1, 25.0), (2, 37.5)],
    }


def test_another_print_of_the_same_round_is_another_series(tmp_path: Path) -> None:
    source = """
for epoch in range(3):
    print(f"epoch {epoch}")
    print(f"  training loss: {1 / (epoch + 1)}")
    print(f"  training loss for vocals: {1 / (epoch + 2)}")
    cost = epoch / 4
    print(f"  cluster: {cost}")
"""
    found = printed(source, tmp_path)
    assert [value for _, value in found["train/loss"]] == [1, 1 / 2, 1 / 3]
    assert [value for _, value in found["train/loss[1]"]] == [1 / 2, 1 / 3, 1 / 4]
    assert found["cluster"] == [(0, 0.0), (1, 0.25), (2, 0.5)]


def test_what_the_function_and_those_that_call_it_say(tmp_path: Path) -> None:
    source = """
def validate(n):
    loss = 1 / (n + 3)
    print(f"loss: {loss:.3f}")
def run():
    for epoch in range(5, 8):
        validate(epoch - 5)
run()
"""
    found = printed(source, tmp_path)
    assert found == {"valid/loss": [(epoch + 5, loss) for epoch, loss in LOSS]}


def test_a_batch_counts_on_over_the_epochs(tmp_path: Path) -> None:
    source = """
for epoch in range(2):
    for i in range(3):
        print(f"[{epoch + 1}, {i + 1:5d}] loss: {1 / (1 + i + epoch):.3f}")
    val = 0.5 - epoch / 10
    print(f"epoch {epoch + 1}: loss {0.1 * (epoch + 1):.1f}, val loss {val}")
"""
    found = printed(source, tmp_path)
    assert [step for step, _ in found["loss"]] == [1, 2, 3, 4, 5, 6]
    assert found["epoch"] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0)]
    assert found["loss.epoch"] == [(1, 0.1), (2, 0.2)]
    assert found["valid/loss"] == [(1, 0.5), (2, 0.4)]


def test_a_table_has_its_labels_in_the_heading(tmp_path: Path) -> None:
    source = """
import autotrack; autotrack.tag("x")
print("Epoch | Train Loss | Val Acc")
print("-" * 30)
for epoch in range(2):
    print(f"{epoch:5d} | {0.5 - epoch / 4:10.3f} | {0.25 + epoch / 4:7.3f}")
"""
    found = printed(source, tmp_path)
    assert found == {"train/loss": [(0, 0.5), (1, 0.25)], "valid/acc": [(0, 0.25), (1, 0.5)]}


def test_a_classification_report(tmp_path: Path) -> None:
    source = """
import autotrack; autotrack.tag("x")
from sklearn.metrics import classification_report
print(classification_report([0, 1, 1, 0], [0, 1, 0, 0], target_names=["cat", "wild dog"]))
"""
    found = printed(source, tmp_path)
    assert found["precision (cat)"] == [(0, 0.67)]
    assert found["recall (wild dog)"] == [(0, 0.5)]
    assert found["f1-score (macro avg)"] == [(0, 0.73)]
    assert found["accuracy"] == [(0, 0.75)]
    assert len(found) == 3 * 4 + 1


def test_progress_bars(tmp_path: Path) -> None:
    source = """
import io
from tqdm import tqdm
for epoch in range(2):
    bar = tqdm(range(3), desc=f"Epoch {epoch}", file=io.StringIO())
    for i in bar:
        bar.set_postfix(loss=1 / (3 * epoch + i + 3), acc=f"{i / 4:.2f}")
"""
    found = printed(source, tmp_path)
    assert found["loss"] == [(step, 1 / (step + 3)) for step in range(6)]
    assert found["acc"] == [(step, step % 3 / 4) for step in range(6)]
    assert found["epoch"] == [(step, float(step // 3)) for step in range(6)]


def test_text_beside_a_bar_has_the_value_of_its_variable(tmp_path: Path) -> None:
    source = """
import io
from tqdm import tqdm
def work():
    with tqdm(total=3, desc="Start step 0", file=io.StringIO()) as bar:
        for i in range(3):
            loss, acc = 1 / (i + 3), 1 - 1 / (i + 7)
            bar.set_postfix(loss="{:.2f}".format(loss), acc=f"{acc:.2f}")
            bar.update()
work()
"""
    found = printed(source, tmp_path)
    assert found == {"loss": LOSS, "acc": ACC}


def test_the_steps_of_an_episode_are_its_length(tmp_path: Path) -> None:
    source = """
for episode, length in enumerate([17, 4, 30]):
    print(f"Episode {episode} Step: {length} Reward: {length / 2}")
"""
    assert printed(source, tmp_path) == {"reward": [(0, 8.5), (1, 2.0), (2, 15.0)]}


def test_prints_whose_ends_are_hard_to_tell(tmp_path: Path) -> None:
    source = """
import functools, time
class Fails:
    def __str__(self): raise ValueError
class Says:
    def __init__(self, value): self.value = value
    def __str__(self): print('within', 1); return str(self.value)
say = functools.partial(print, '[INFO]')
def work():
    print = say
    for epoch in range(6):
        if epoch == 2: time.sleep(0.7)  # the recorder reads the source
        print('Epoch', epoch, 'h_loss', epoch / 8); print('h_acc', epoch / 16)
for epoch in range(6):
    if epoch == 2: time.sleep(0.7)
    loss, acc = 1 / (epoch + 1), epoch / 32
    print('Epoch', epoch, '\\n'); print('loss', loss); print('acc', acc)
    print(epoch, '\\n', '\\n'); print('val', 'loss', loss)
    try: print('x', Fails(), 1, 2, 3, 4, 5)
    except ValueError: pass
    print('epoch', epoch, 'e_loss', loss); print('epoch', epoch, 'e_acc', acc)
    print('epoch', epoch, 'f_loss', Says(loss), 'x', end=''); print(' f_acc', acc)
    print('Epoch', epoch, sep='\\n', end=''); print(' g_loss', loss, 'g_acc', acc)
work()
"""
    found = printed(source, tmp_path)
    losses, accs = [(epoch, 1 / (epoch + 1)) for epoch in range(6)], [(epoch, epoch / 32) for epoch in range(6)]
    for name in ("loss", "valid/loss", "e_loss", "g_loss"):
        assert found[name] == losses, name
    for name in ("acc", "e_acc", "f_acc", "g_acc"):
        assert found[name] == accs, name
    assert found["h_loss"] == [(epoch, epoch / 8) for epoch in range(6)]
    assert found["h_acc"] == [(epoch, epoch / 16) for epoch in range(6)]


def test_a_tee_and_a_function_that_prints(tmp_path: Path) -> None:
    source = """
import sys
class Tee:
    def __init__(self, stream): self.stream = stream
    def write(self, text): self.stream.write(text)
    def flush(self): self.stream.flush()
sys.stdout = Tee(sys.stdout)
def log(text):
    print(text)
for step in range(3):
    loss = 1 / (step + 3)
    print(f"step {step} loss {loss:.2f}")
    log(f"step {step} reward {step * 2.5}")
"""
    found = printed(source, tmp_path)
    assert found["loss"] == LOSS
    assert found["reward"] == [(0, 0.0), (1, 2.5), (2, 5.0)]


def test_it_belongs_to_the_training_that_prints(tmp_path: Path) -> None:
    source = """
from sklearn.base import BaseEstimator
class Own(BaseEstimator):
    def fit(self, X, y=None):
        for step in range(2):
            loss = 0.5 ** step
            print(f"step {step}: loss {loss}")
        return self
    def predict(self, X): return [0] * len(X)
Own().fit([[1]])
Own().fit([[2]])
print("loss: 3.0")
"""
    printed(source, tmp_path)
    strands = Recording(tmp_path / ".autotrack").strands(printed=True)
    assert sorted(((s.kind, s.points) for s in strands), key=lambda entry: entry[0]) == [
        ("fit", {"loss": [(0, 1.0), (1, 0.5)]}),
        ("fit", {"loss": [(0, 1.0), (1, 0.5)]}),
        ("printed", {"loss": [(0, 3.0)]}),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "print('loss: 0.5')",  # once, and nothing else to record
        "for i in range(9): print(i, 'hello')",
        "import sklearn.linear_model\nfor i in range(5): print('size', i * 1.5)",
    ],
)
def test_what_is_not_watched_records_nothing(source: str, tmp_path: Path) -> None:
    assert printed(source, tmp_path) == {}
    assert not (tmp_path / ".autotrack").exists()


def test_prints_of_libraries_are_not_metrics(tmp_path: Path) -> None:
    source = """
from sklearn.linear_model import SGDClassifier
SGDClassifier(verbose=1, max_iter=3, tol=None).fit([[0], [1]], [0, 1])
from sklearn.neural_network import MLPClassifier
MLPClassifier(verbose=True, max_iter=3).fit([[0], [1]], [0, 1])
"""
    run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    series: Any = [set(s.points) for s in Recording(tmp_path / ".autotrack").strands(printed=True)]
    assert all(not any("iteration" in name or name == "loss" for name in names) for names in series)


def test_the_users_locals_are_left_alone(tmp_path: Path) -> None:
    source = """
import weakref, gc
class Big: pass
def f():
    held = locals()
    big = Big()
    there = weakref.ref(big)
    for step in range(3):
        loss = 0.5 / (step + 1)
        print(f"step {step} loss {loss}")
    del big
    print(there() is None, sorted(held))
def g():
    big = Big()
    there = weakref.ref(big)
    for step in range(3):
        loss = 0.25 / (step + 1)
        print(f"step {step} loss {loss}")
    del big
    print(there() is None)
f(); g()
"""
    assert printed(source, tmp_path)["loss"][-1] == (2, 0.25 / 3)


def test_a_value_of_the_loss_is_of_no_split(tmp_path: Path) -> None:
    source = """
def work():
    for step in range(4):
        loss_val, loss_train = step / 8, step / 4
        print(f'Step {step}: Loss = {loss_val:.4f}')
        print(f'Step {step}: loss_train = {loss_train:.4f} loss_val = {loss_val:.4f}')
work()
"""
    assert set(printed(source, tmp_path)) == {"loss", "train/loss", "valid/loss"}


def test_the_function_that_calls_one_which_prints_says_what_for(tmp_path: Path) -> None:
    source = """
class Meter:
    def __init__(self, prefix): self.prefix = prefix
    def display(self, batch, loss):
        entries = [self.prefix + "[%d/20]" % batch, "Loss %.3f" % loss]
        print("  ".join(entries))
def train(epoch):
    meter = Meter("Epoch: [%d]" % epoch)
    for i in range(3): meter.display(i, 0.5 + epoch + i / 8)
def validate():
    meter = Meter(" * ")
    meter.display(20, 0.25)
def fit():  # does both
    meter = Meter("")
    validation = 0.125
    meter.display(1, validation)
for epoch in range(3):
    train(epoch)
    validate()
fit()
"""
    points = printed(source, tmp_path)
    assert [value for _, value in points["train/loss"]] == [0.5 + n for e in range(3) for n in (e, e + 0.125, e + 0.25)]
    assert [value for _, value in points["valid/loss"]] == [0.25] * 3
    assert [value for name, series in points.items() for _, value in series if "loss" in name].count(0.125) == 1


def test_a_few_numbers_in_a_list_beside_a_metric(tmp_path: Path) -> None:
    source = """
for epoch in range(3):
    print("%s: G (%s err); Real Dist (%s) of %s" % (epoch, 0.5 + epoch, [4.25 + epoch, 1.25], [1, 2, 3]))
"""
    points = printed(source, tmp_path)
    assert points["real_dist[0]"] == [(0, 4.25), (1, 5.25), (2, 6.25)]
    assert set(points) == {"g_err", "real_dist[0]", "real_dist[1]"}


def test_an_entry_is_called_as_the_key_that_is_printed_beside_it(tmp_path: Path) -> None:
    source = """
def log_metrics(mode, step, metrics):
    for metric in metrics:
        print('%s %s at step %d: %f' % (mode, metric, step, metrics[metric]))
for step in range(3):
    log_metrics('Training average', step, {'regularization': 0.25})
    log_metrics('Valid', step, {'MRR': 0.5 + step, 'MR': 60.0 - step})
"""
    assert printed(source, tmp_path) == {
        "train/regularization": [(step, 0.25) for step in range(3)],
        "valid/mrr": [(step, 0.5 + step) for step in range(3)],
        "valid/mr": [(step, 60.0 - step) for step in range(3)],
    }


@pytest.mark.parametrize(
    "told",
    [
        "'Loss {loss.val:.4f} ({loss.avg:.4f})'.format(loss=losses)",
        "'loss {0.val:.4f} ({0.avg:.4f})'.format(losses)",
        "f'loss {losses.val:.4f} ({losses.avg:.4f})'",
        "'loss %.4f (%.4f)' % (losses.val, losses.avg)",
        "f'[{i:4d}/{8:4d}] Time {0.25:6.3f} ({0.5:6.3f})\\t{losses}'",
    ],
)
def test_the_mean_so_far_that_is_printed_behind_a_value(told: str, tmp_path: Path) -> None:
    source = f"""
class AverageMeter:
    def __str__(self):
        return '{{name}} {{val:.4e}} ({{avg:.4e}})'.format(name='Loss', **self.__dict__)
losses = AverageMeter()
for i in range(3):
    losses.val, losses.avg = i / 4, i / 8
    print({told})
"""
    found = printed(source, tmp_path)
    assert [value for _, value in found["loss"]] == [0.0, 0.25, 0.5]
    assert [value for _, value in found["loss.avg"]] == [0.0, 0.125, 0.25]
    assert set(found) == {"loss", "loss.avg"}
