"""The one door to models: every call to a language model in edgewise goes through here.

```python
from edgewise.models import Message, Settings, open_model

model = open_model("embedded")
response = await model.generate("Name a river.", Settings(max_tokens=20))
```

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.models.budget": ("Budget", "Limits", "Prices"),
        "edgewise.models.cache": ("Cache",),
        "edgewise.models.door": ("Model",),
        "edgewise.models.embedder": ("Embedder", "open_embedder"),
        "edgewise.models.faults": ("Retry",),
        "edgewise.models.gather": ("gather_calls",),
        "edgewise.models.judge": ("Judge", "Preference", "Rating"),
        "edgewise.models.ledger": ("Ledger", "read_ledger"),
        "edgewise.models.open": ("open_model",),
        "edgewise.models.scripted": ("scripted_model",),
        "edgewise.models.types": ("Image", "Message", "Response", "Scored", "Settings", "TokenLogprob", "Usage"),
    }
)
