"""A tiny model of random weights in the shape of Qwen2, with the words of the encoder that ships, and prompts."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TIERS = ("simple", "medium", "frontier")
TOKENIZER = Path(__file__).parents[2] / "plugins" / "tiergate" / "models" / "encoder" / "tokenizer.json"
WORDS = ("capital", "summary", "proof")
"""The hidden rule: the word says which tier suffices."""


def write_tiny_model(folder: Path) -> None:
    import torch  # noqa: PLC0415  tests without it import this module too
    from tokenizers import Tokenizer  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM  # noqa: PLC0415

    words = Tokenizer.from_file(str(TOKENIZER))
    words.no_padding()
    words.no_truncation()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")
    torch.manual_seed(0)
    shape = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    Qwen2ForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def made_up_prompts(n: int, seed: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return prompts and the place of the tier that suffices, shape (n,)."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 3, n)
    topics = ("france", "the budget", "this lemma", "our town", "a river")
    prompts = [
        f"write the {WORDS[at]} of {topics[random.integers(5)]} number {random.integers(1000)}" for at in classes
    ]
    return prompts, classes
