"""Fine-tunes a language model as a sequence classifier that vLLM serves: LoRA, merged into the weights.

LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (ICLR 2022), section 4. One class for each tier:
the cheapest that was good enough. What `/classify` gives for a prompt is what `Adapted.shares` gives, but for rounding.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.vllm_classifier import MAX_PROMPT_CHARACTERS
from tiergate.errors import ConfigurationError

NEEDED: Final = ("torch", "transformers", "peft")
RANK: Final = 8
MAX_TOKENS: Final = 1024
_SEED: Final = 20_250_206

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a model is tuned.

    Attributes:
        epochs: Passes over the rows.
        learning_rate: Of AdamW; it falls to 0 in a straight line.
        batch_rows: Rows of a step.
        progress: Gets the number of steps and returns what is called after each.
    """

    epochs: int = 3
    learning_rate: float = 5e-4
    batch_rows: int = 16
    progress: Callable[[int], Callable[[], Any]] = lambda _: lambda: None


class Adapted:
    """A sequence classifier with its tokenizer, merged and ready to be written.

    Args:
        model: Of `transformers`, one class for each tier.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer

    def shares(self, prompts: Sequence[str], *, batch_rows: int = 16) -> Floats:
        """Return P(tier k is the cheapest good enough), shape (n, T)."""
        import torch  # noqa: PLC0415  two seconds, only where a model is tuned

        self._model.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(prompts), batch_rows):
                inputs = _encode(self._tokenizer, prompts[start : start + batch_rows], self._model.device)
                found.append(torch.softmax(self._model(**inputs).logits.float(), dim=-1).cpu().numpy())
        return np.concatenate(found).astype(np.float64)

    def write(self, folder: Path) -> None:
        """Write what `vllm serve` loads: configuration, weights in bfloat16 and tokenizer."""
        import torch  # noqa: PLC0415  as above

        self._model.to(torch.bfloat16).save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)


def tune(
    base: str,
    prompts: Sequence[str],
    classes: NDArray[np.int64],
    weight: Floats,
    tiers: Sequence[str],
    *,
    tuning: Tuning,
) -> Adapted:
    """Tune a model on labelled prompts.

    Args:
        base: Folder of a model, or its name on a hub.
        prompts: Length n.
        classes: Place of the cheapest good tier, shape (n,).
        weight: Of each row, shape (n,).
        tiers: Tiers, cheapest first: the names of the classes.
        tuning: How.

    Raises:
        ConfigurationError: A library is missing, or the model cannot be loaded.
    """
    check_libraries(base)
    import torch  # noqa: PLC0415  as in `shares`

    torch.manual_seed(_SEED)
    plain, tokenizer = _load(base, tiers)
    model = _with_lora(plain).to("cuda" if torch.cuda.is_available() else "cpu")
    free = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=tuning.learning_rate)
    steps = tuning.epochs * math.ceil(len(prompts) / tuning.batch_rows)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=1.0, end_factor=0.0, total_iters=steps)
    advance = tuning.progress(steps)
    model.train()
    for rows in _batches(len(prompts), tuning):
        inputs = _encode(tokenizer, [prompts[row] for row in rows], model.device)
        target, share = (torch.as_tensor(values[rows], device=model.device) for values in (classes, weight))
        losses = torch.nn.functional.cross_entropy(model(**inputs).logits.float(), target, reduction="none")
        (losses * share.float()).mean().backward()
        optimiser.step()
        falling.step()
        optimiser.zero_grad()
        advance()
    merged = model.merge_and_unload()
    # The weights are rounded as they are served, so that calibration and figures are of what is served.
    return Adapted(merged.to(torch.bfloat16).float(), tokenizer)


def check_libraries(base: str) -> None:
    """Refuse early when a library is missing.

    Raises:
        ConfigurationError: Names the libraries.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        problem = f"needs {', '.join(missing)}, not installed here"
        raise ConfigurationError(base, "", problem, "pip install 'tiergate[train]', or train without --base")


def _load(base: str, tiers: Sequence[str]) -> tuple[Any, Any]:
    import torch  # noqa: PLC0415  as in `Adapted.shares`
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415

    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForSequenceClassification.from_pretrained(
            base,
            dtype=torch.float32,
            num_labels=len(tiers),
            id2label=dict(enumerate(tiers)),
            label2id={tier: place for place, tier in enumerate(tiers)},
            ignore_mismatched_sizes=True,  # a classifier of other classes gets a new last layer
        )
    except (OSError, ValueError) as exc:
        fix = "name a folder with config.json, weights and tokenizer, or a model of a hub that is reachable"
        raise ConfigurationError(base, "", f"cannot be loaded ({str(exc).splitlines()[0]})", fix) from exc
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def _with_lora(model: Any) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model  # noqa: PLC0415  as in `Adapted.shares`

    settings = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=RANK, lora_alpha=2 * RANK, lora_dropout=0.05, target_modules="all-linear"
    )
    return get_peft_model(model, settings)


def _encode(tokenizer: Any, prompts: Sequence[str], device: Any) -> Any:
    """Return token ids as the server makes them: the start of each prompt, no template."""
    starts = [prompt[:MAX_PROMPT_CHARACTERS] for prompt in prompts]
    return tokenizer(starts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt").to(device)


def _batches(rows: int, tuning: Tuning) -> Iterator[NDArray[np.int64]]:
    random = np.random.default_rng(_SEED)
    for _ in range(tuning.epochs):
        order = random.permutation(rows)
        for start in range(0, rows, tuning.batch_rows):
            yield order[start : start + tuning.batch_rows]
