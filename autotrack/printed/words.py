"""The words that people print: which name a metric, a counter, a split, and which something else.

A list can't be complete.  A label whose head is on it is a metric wherever it is printed; any other number is one
only where it is printed beside a counter, and none of its words speaks of something else.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from autotrack.patterns import lazily

METRICS = frozenset(
    """
    loss losses cost objective error err accuracy acc accu accuracies precision recall f1 f1score fscore fbeta f2
    auc auroc auprc aupr roc rocauc prauc ap map mrr ndcg score scores mse rmse mae mape smape msle rmsle r2
    rsquared nll nlls bce ce crossentropy entropy logloss perplexity ppl bpc bpb bleu rouge rougel rouge1 rouge2
    meteor cider chrf wer cer iou miou jaccard dice kappa mcc ari nmi silhouette inertia homogeneity completeness
    vmeasure reward rewards return returns psnr ssim lpips fid kid elbo kl kld kldiv divergence likelihood
    loglikelihood lml deviance top1 top5 hit hits hr hinge huber xent dprime dsc win sensitivity specificity brier
    gini ks distortion
    modularity stress residual fitness corr distance correlation pearson spearman winrate em ed epe eer
    sdr sisdr sisnr snr sir sar pesq stoi mcd rew rews rwd prec accs f1s tpr fpr tnr fnr fdr ppv npv ade fde mpjpe pck
    ergas mase mre nmse nrmse wape crps pcc ccc plcc srcc qwk spice bpd emd chamfer hausdorff hd95 assd nsd jsd mmd sse
    rss regret acer hter mindcf success
    """.split()
)
"""Words that name a metric as the head of a label."""

COARSE = frozenset(
    "epoch epochs ep episode episodes round rounds fold folds generation cycle era task rollout sweep".split()
)
"""Counters that others begin anew with."""
EPISODES = frozenset({"ep", "episode", "episodes"})
FINE = frozenset(
    """
    step steps iter iters iteration iterations it itr batch batches minibatch update updates globalstep timestep
    timesteps trial frame frames query upd t idx i
    """.split()
)
COUNTERS = COARSE | FINE
PLURALS = frozenset("epochs episodes rounds folds steps iters iterations batches updates timesteps frames".split())
"""Counters that more often say how many there are."""

SPLITS = {
    "train": "train", "training": "train", "tr": "train", "trn": "train",
    "val": "valid", "valid": "valid", "validation": "valid", "dev": "valid", "vali": "valid", "va": "valid",
    "test": "test", "testing": "test", "te": "test", "tst": "test",
    "eval": "eval", "evaluation": "eval",
    "cv": "cv", "crossval": "cv",
    "oob": "oob",
}  # fmt: skip
"""Words for the data a metric is of, and what that is called in the name of a series."""

OTHER = frozenset(
    """
    time times took taken elapsed eta sec secs second seconds ms minute minutes hour hours duration runtime latency
    speed throughput fps memory mem gpu cpu ram mb gb kb bytes size sizes shape dim dims dimension dimensions params
    parameters samples images examples tokens version seed device port pid date path file files line lines row rows
    column columns feature features classes worker workers data count counts number num n support
    width height threshold patience weight weights coef coefficient index idx id rank level saved saving save
    loading loaded wrote using budget target seq vocab words chars layers hidden units heads split
    remaining progress clients clusters neighbors estimators depth components degree lambda degrees delta range array
    """.split()
)
"""Words that speak of something else than a metric."""

_SINGULAR = {"losses": "loss", "scores": "score", "rewards": "reward", "returns": "return", "accuracies": "accuracy"}
_RATES = frozenset(
    """
    success win error hit miss true false positive negative detection acceptance accept collision completion pass solve
    survival goal recall accuracy match exact solved failure draw loss character word token fooling asr correct
    """.split()
)
"""Whose rates are found, not set."""
_VETO = frozenset(
    """
    time times elapsed took eta ptime code tol tolerance scale goal room http retry retrying improve improved loaded
    exceed exceeds exceeded threshold target patience weight weights coef coefficient coefficients budget function
    criterion limit decreased increased
    """.split()
)
"""Words beside which no other makes a metric."""

_WEIGHING = frozenset("weight weights coef coefficient coefficients scale".split())
"""Those of them that may change as the training goes."""
_NO_WEIGHT = (_VETO | OTHER) - _WEIGHING

_OF_Q = frozenset("avg average mean max min value values val vals".split())
"""Words beside which `q` is the value of an action."""
_OF_RANK = frozenset("mean avg average median map".split())
_OF_LENGTH = frozenset("ep episode episodes episodic game games eps trajectory".split())
_AVERAGED = frozenset("avg average mean".split())

UNITS_OF_OTHER = lazily(
    r"\s?(?:s|secs?|seconds?|ms|us|µs|ns|m|mins?|minutes?|h|hrs?|hours?|days?|[kmgt]i?b|[kmgb]|hz|it/s|s/it|"
    r"\w+/s(?:ec)?|fps|x|px|tok/s|tokens?|steps?|samples?|images?|epochs?|params?|parameters?|features?|rows?|"
    r"columns?|classes|examples?|iterations?|batches|trees|points|items|words|clusters|files?)\b(?!\s*[:=])",
    re.IGNORECASE,
)
"""What follows a number that is no metric: a unit of time or size, or what was counted."""

_CAMEL = lazily(r"(?<=[a-z])(?=[A-Z][a-z])")
_WORD = lazily(r"[^\W_]+(?:@\d+)?")
_AFTER = frozenset("of for on at in from over after per across between so is was are were has be".split())
"""Words with which begins what a label says more about its head."""
_FILLING = frozenset(
    """
    the a an so far equals equal to current curr value avg average mean final overall model network set data our my
    running now got here reached new result results using with by via
    """.split()
)
"""Words that the name of a metric does without."""
_HEADS = _FILLING | frozenset("metric metrics score scores stats statistics summary performance report for on".split())
"""Words of a heading that say nothing of what is below it."""
_WHOLES = (
    (lazily(r"\broot mean square[d]? error\b"), "rmse"),
    (lazily(r"\bmean square[d]? error\b"), "mse"),
    (lazily(r"\bmean absolute error\b"), "mae"),
    (lazily(r"\bmean absolute percentage error\b"), "mape"),
    (lazily(r"\br\s?(?:\^\s?2|²|2|-squared|\ssquared|\*\*2)(?=\W|$)"), "r2"),
    (lazily(r"\bf[- ]?1(?=\W|$)"), "f1"),
    (lazily(r"\b(?:roc|pr)[- ]auc\b"), lambda match: match[0].replace("-", "").replace(" ", "")),
    (lazily(r"\bauc[- ]roc\b"), "rocauc"),
    (lazily(r"\bcross[- ]entropy\b"), "crossentropy"),
    (lazily(r"\bcross[- ]val(?:idation|idated)?\b"), "cv"),
    (lazily(r"\bout[- ]of[- ]bag\b"), "oob"),
    (lazily(r"\blog[- ](loss|likelihood)\b"), r"log\1"),
    (lazily(r"\btop[- ](\d+)\b"), r"top\1"),
    (lazily(r"\bd[- ]?prime\b"), "dprime"),
    (lazily(r"\blearning rate\b"), "lr"),
    (lazily(r"\bglobal step\b"), "globalstep"),
    (lazily(r"\btime[- ]?steps?\b"), "timestep"),
)  # fmt: skip
"""What is one word, in several."""


_NUMBER_OF = lazily(
    rf"\b({'|'.join(sorted(COUNTERS - {'t', 'i', 'idx'}))})"
    r" (?:num|number|nb|nr|no|idx|index|id|i|n|counter|cnt|count|done)$"
)
"""An identifier of which one is at: `batch_idx`, `epoch_num`."""


class Name(NamedTuple):
    """What a label says: the metric in lower case with `_` between words, the split, and of which kind it is."""

    metric: str
    split: str
    kind: str
    """`metric`, `counter`, `other`, or nothing where no word is known."""

    def __str__(self) -> str:
        return f"{self.split}/{self.metric}" if self.split else self.metric


NOTHING = Name("", "", "")


@functools.lru_cache(maxsize=2_000)
def name_of(label: str) -> Name:
    """What a label, or an identifier, says."""
    text = " ".join(_CAMEL.sub(" ", label).replace("_", " ").lower().split())
    if label.isidentifier():
        text = _NUMBER_OF.sub(r"\1", text)
    for pattern, word in _WHOLES:
        text = pattern.sub(word, text)
    words = _WORD.findall(text)
    split = next((SPLITS[word] for word in words if word in SPLITS), "")
    head = words[: next((at for at, word in enumerate(words) if at and word in _AFTER), len(words))]
    kept = [word for word in head if word not in SPLITS and word not in _FILLING]
    kind = _kind(kept, head, words)
    if kind == "counter":
        return Name(head[-1], split, kind)
    if len(kept) > 1 and kept[-1] in ("score", "scores") and is_metric(kept[-2]):
        kept.pop()
    kept = [_SINGULAR.get(word, word) for word in kept]
    return Name("_".join(kept or [word for word in head if word not in SPLITS])[:60], split, kind)


def _kind(kept: list[str], head: list[str], words: list[str]) -> str:
    if any(word in _VETO for word in words):
        return "other"
    if kept and (is_metric(kept[-1]) or (kept[-1] == "rate" and len(kept) > 1 and kept[-2] in _RATES)):
        return "metric"
    if (kept[-1:] == ["rank"] and not _OF_RANK.isdisjoint(words)) or any(word.startswith("rank@") for word in kept):
        return "metric"
    if ("q" in head and not _OF_Q.isdisjoint(head)) or (
        "length" in head and not _OF_LENGTH.isdisjoint(words) and not _AVERAGED.isdisjoint(words)
    ):
        return "metric"
    if head and head[-1] in COUNTERS and not any(is_metric(word) for word in kept):
        return "counter"
    if any(word in OTHER or word.endswith("time") for word in kept):
        return "other"
    if any(is_metric(word) for word in kept):  # `loss D`
        return "metric"
    return "other" if any(word in OTHER for word in words) else ""


def qualifier_of(heading: str) -> str:
    """What a heading says of which the values under it are: `global` for `Global metrics:`."""
    words = _WORD.findall(heading.lower())
    kept = [word for word in words if word.isalpha() and word not in SPLITS and word not in _HEADS]
    return "_".join(kept) if not any(is_metric(word) or word in COUNTERS for word in kept) else ""


def is_metric(word: str) -> bool:
    """Whether a word names a metric, also as `acc@1`, `top5`, `losses`."""
    stem = word.partition("@")[0].rstrip("0123456789") or word
    if word in METRICS or word.startswith("f1"):
        return True
    return stem in METRICS or (stem in ("top", "prec") and stem != word)


def weighs(name: Name) -> bool:
    """Whether a label speaks of the weight of a loss, which is no metric, but may be a series beside one."""
    words = set(name.metric.split("_"))
    return not words.isdisjoint(_WEIGHING) and words.isdisjoint(_NO_WEIGHT)


_SETTINGS = frozenset(
    """
    lr rate decay momentum alpha beta gamma eps epsilon tau sigma temp temperature dropout replace wd noise prob p
    warmup factor step exploration scheduler
    """.split()
)


def is_setting(name: str) -> bool:
    """Whether the name of a series speaks of what a program has set rather than found."""
    return not _SETTINGS.isdisjoint(name.rpartition("/")[2].split("_"))


def series_name(logged: str, split: str = "") -> str:
    """The name of the series of what a program logs: `valid/loss` for `val_loss`, `val/loss` and `loss/val`; in a
    `split` that is known otherwise, `train/acc` for `acc`."""
    for mark in ("/", "_"):
        parts = logged.split(mark)
        for at in (0, -1) if len(parts) > 1 else ():
            found = name_of(parts[at]).split if parts[at].isalpha() else ""
            if found:
                del parts[at]
                return f"{found}/{mark.join(parts)}"
    return f"{split}/{logged}" if split else logged
