"""Licences of what is installed with tiergate."""

import re
from collections.abc import Collection, Mapping, Sequence

ALLOWED = (
    *("0bsd", "apache", "bsd", "cc0", "cnri-python", "isc", "mit", "mit-0", "mpl", "mozilla public license"),
    *("psf", "python software foundation", "public domain", "unlicense", "zlib", "zpl", "lgpl"),
)
EXCEPTIONS: Mapping[str, str] = {
    "litellm-enterprise": "comes with litellm[proxy]; licence of LiteLLM's paid features, which tiergate does not use",
}
"""Packages that are looked at by a person, with what was found."""


def check_licences(rows: Sequence[Mapping[str, str]], names: Collection[str]) -> list[str]:
    """Return the packages whose licence is not allowed.

    Args:
        rows: What pip-licenses says: Name and License.
        names: Normalised names of the packages that ship.
    """
    found = []
    for row in rows:
        name = re.sub(r"[-_.]+", "-", row["Name"]).lower()
        if name in names and name not in EXCEPTIONS and not is_allowed(row["License"]):
            found.append(f"{row['Name']}: licence {row['License'][:60]!r}")
    return found


def is_allowed(licence: str) -> bool:
    """Tell whether one of the licences that a package offers is allowed; GPL and AGPL are not."""
    text = licence.splitlines()[0].lower() if licence.strip() else ""
    return any(re.search(rf"(?<![a-z]){re.escape(word)}", text) for word in ALLOWED)
