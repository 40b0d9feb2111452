"""Puts tiergate's packages behind those of an existing LiteLLM image, which keep their own versions.

Python imports this module by itself when its folder is on PYTHONPATH.
"""

import os
import site

if "TIERGATE_PACKAGES" in os.environ:
    site.addsitedir(os.environ["TIERGATE_PACKAGES"])
