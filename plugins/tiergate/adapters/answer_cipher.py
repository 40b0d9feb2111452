"""Encryption of stored answers and prompts (Fernet: AES-128-CBC with HMAC-SHA256), with key rotation."""

from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tiergate.errors import PolicyError, StoreError


class AnswerCipher:
    """Seals with the first key, opens with any.

    To rotate: put a new key in front, restart, run `tiergate cache export` and `import` or wait one `ttl_s`, then drop
    the old key.

    Args:
        cipher: The keys.
    """

    def __init__(self, cipher: MultiFernet) -> None:
        self._cipher = cipher

    @classmethod
    def from_keys(cls, keys: str, *, policy_file: str | Path) -> Self:
        """Read keys, separated by commas, newest first; each as `cryptography.fernet.Fernet.generate_key()` makes it.

        Raises:
            PolicyError: A key is no key.
        """
        try:
            return cls(MultiFernet([Fernet(key.strip()) for key in keys.split(",") if key.strip()]))
        except ValueError as exc:
            raise PolicyError(
                policy_file,
                "semantic_cache.encryption_keys",
                "holds something that is no key",
                "make one with `tiergate cache new-key`, and put it into an environment variable",
            ) from exc

    def seal(self, text: str) -> str:
        """Return the text encrypted, as printable text."""
        return self._cipher.encrypt(text.encode("utf-8", "surrogatepass")).decode("ascii")

    def open(self, sealed: str) -> str:
        """Return the text that was sealed.

        Raises:
            StoreError: No key opens it.
        """
        try:
            return self._cipher.decrypt(sealed.encode("ascii", "replace")).decode("utf-8", "surrogatepass")
        except InvalidToken as exc:
            raise StoreError(
                "a stored answer was sealed with a key that is not in semantic_cache.encryption_keys"
            ) from exc
