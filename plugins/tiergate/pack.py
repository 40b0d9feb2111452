"""Where the config pack is: inside the wheel, or `litellm_config/` of a checkout."""

from pathlib import Path

from tiergate.errors import ConfigurationError

_PACKAGE = Path(__file__).parent
_IN_WHEEL = _PACKAGE / "_pack"
_IN_CHECKOUT = _PACKAGE.parents[1] / "litellm_config"


def locate_pack(name: str = "") -> Path:
    """Return a folder of the config pack, or the pack itself.

    Args:
        name: Folder inside the pack, such as "quickstart".

    Raises:
        ConfigurationError: Neither place has it.
    """
    for root in (_IN_WHEEL, _IN_CHECKOUT):
        if (root / name).is_dir():
            return root / name
    raise ConfigurationError(_IN_WHEEL / name, "", "the config pack is missing", "install tiergate again")
