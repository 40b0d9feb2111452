"""Writes two small models of random weights in the shape of Qwen2.5, for a real vLLM server; runs in vLLM's own venv.

Usage: python model_maker.py TOKENIZER_JSON FOLDER [--hidden 256 --layers 6 --intermediate 704 --vocabulary 30522]

The words are those of the encoder that ships. The weights mean nothing: what is shown is that the served shapes,
labels and log-probabilities are what the adapter reads.
"""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
)

TIERS = ("simple", "medium", "frontier")
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def load_words(file: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer, without the encoder's own truncation."""
    words = Tokenizer.from_file(str(file))
    words.no_padding()
    words.no_truncation()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def favour_digits(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Make the digits the likeliest next tokens, whatever is asked.

    The first hidden value is the same for every word and no layer adds to it, so the digits' logits are known.
    """
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 5.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        for digit, weight in (("1", 1.0), ("2", 0.95), ("3", 0.9)):
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(digit)] = 0.0
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(digit), 0] = weight


def main() -> None:
    """Write FOLDER/classify and FOLDER/generate."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--intermediate", type=int, help="width of the feed-forward part; default 11/4 of --hidden")
    parser.add_argument(
        "--vocabulary", type=int, default=0, help="rows of the word table; default: the words there are"
    )
    options = parser.parse_args()
    tokenizer = load_words(options.tokenizer)
    torch.manual_seed(0)
    shape = Qwen2Config(
        vocab_size=max(len(tokenizer), options.vocabulary),
        hidden_size=options.hidden,
        intermediate_size=options.intermediate or options.hidden * 11 // 4,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 64,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(TIERS)),
        label2id={tier: place for place, tier in enumerate(TIERS)},
    )
    for name, kind in (("classify", Qwen2ForSequenceClassification), ("generate", Qwen2ForCausalLM)):
        model = kind(shape)
        if name == "generate":
            favour_digits(model, tokenizer)
        model.to(torch.bfloat16).save_pretrained(options.folder / name)
        tokenizer.save_pretrained(options.folder / name)


if __name__ == "__main__":
    main()
