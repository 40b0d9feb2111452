"""LiteLLM's span of a request, whichever of its tracers is on."""

import sys
from typing import Any

_V2 = "litellm.integrations.otel.plumbing.context"


def find_request_span(identity: Any) -> Any:
    """Return the span that everything of the request hangs under; None when LiteLLM traces nothing.

    With LITELLM_OTEL_V2 it is the anchor that LiteLLM keeps in a context variable, which its own request-level spans
    use too; before that, the span that its authentication opened. The ambient span is neither: at this point it can be
    that of a phase. Asking needs a running request, so it is done before the call, not when the record is written.

    Args:
        identity: LiteLLM's UserAPIKeyAuth.
    """
    context = sys.modules.get(_V2)
    anchor = context.request_root_span() if context is not None else None
    return anchor if anchor is not None else getattr(identity, "parent_otel_span", None)
