"""Domains that policy.yaml names by example prompts, fitted when the proxy starts or `tiergate check` runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiergate.adapters.inference_pool import InferencePool
from tiergate.artifact import Artifact
from tiergate.defects import Defect, error, from_error
from tiergate.domain_settings import MIN_DOMAIN_EXAMPLES, Domain
from tiergate.errors import ConfigurationError, EmbedderError, PolicyError
from tiergate.policy.domain_heads import DomainHeads, fit_domain_heads
from tiergate.settings import Policy

if TYPE_CHECKING:
    from tiergate.adapters.onnx_embedder import OnnxEmbedder


def build_domain_heads(
    policy: Policy, artifact: Artifact, embedder: "OnnxEmbedder", *, policy_path: Path
) -> DomainHeads | None:
    """Fit a head for each domain of the policy that has examples; None when there is none.

    The background is the artifact's reference set without rows of a domain of the same name.

    Args:
        policy: The policy.
        artifact: With a reference set.
        embedder: The encoder that the artifact was trained with.
        policy_path: For messages; `examples_file` is relative to its folder.

    Raises:
        PolicyError: The examples cannot be read or are too few, or the artifact has no reference set.
        EmbedderError: The encoder failed.
    """
    named = {name: domain for name, domain in policy.domains.items() if domain.has_examples}
    if not named:
        return None
    if artifact.reference is None:
        raise PolicyError(
            policy_path,
            f"domains.{next(iter(named))}.examples",
            "the classifier artifact has no reference set to tell the examples from",
            "use the builtin artifact, or export yours with this version",
        )
    examples = {name: embedder.embed_batch(read_examples(name, domain, policy_path)) for name, domain in named.items()}
    background = np.array([domain not in named for domain in artifact.reference.labels.domains])
    return fit_domain_heads(
        examples,
        artifact.reference.vectors[background].astype(np.float32),
        {name: domain.min_recall for name, domain in named.items()},
    )


def read_domain_heads(policy: Policy, artifact: Artifact, policy_path: Path) -> tuple[DomainHeads | None, list[Defect]]:
    """Fit the heads with an encoder of their own, or return why not; blocks while the examples are embedded.

    Args:
        policy: The policy.
        artifact: With a reference set.
        policy_path: For messages; `examples_file` is relative to its folder.
    """
    named = [name for name, domain in policy.domains.items() if domain.has_examples]
    if not named:
        return None, []
    from tiergate.adapters.onnx_embedder import OnnxEmbedder  # noqa: PLC0415  onnxruntime, only where there are examples

    key = f"domains.{named[0]}.examples"
    if policy.encoder.kind == "openai":
        problem = "domains by examples need the encoder in this process, and encoder.kind is openai"
        return None, [error(policy_path, key, problem, "use encoder kind builtin or onnx, or train the domain")]
    embedder = OnnxEmbedder(policy.encoder.path, pool=InferencePool(), threads=policy.encoder.threads)
    try:
        return build_domain_heads(policy, artifact, embedder, policy_path=policy_path), []
    except ConfigurationError as exc:
        return None, [from_error(exc)]
    except EmbedderError as exc:
        return None, [error(policy_path, key, f"the examples cannot be embedded: {exc}", "correct the encoder")]


def read_examples(name: str, domain: Domain, policy_path: Path) -> list[str]:
    """Return a domain's examples: those in the policy, or the lines of its file.

    Raises:
        PolicyError: The file cannot be read, or holds too few.
    """
    if domain.examples_file is None:
        return list(domain.examples)
    file = policy_path.parent / domain.examples_file
    key = f"domains.{name}.examples_file"
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as exc:
        raise PolicyError(
            policy_path, key, f"{file} cannot be read ({exc})", "write one prompt per line, UTF-8"
        ) from exc
    found = [line for line in lines if line]
    if len(found) < MIN_DOMAIN_EXAMPLES:
        problem = f"{file} holds {len(found)} examples"
        raise PolicyError(policy_path, key, problem, f"give at least {MIN_DOMAIN_EXAMPLES}")
    return found
