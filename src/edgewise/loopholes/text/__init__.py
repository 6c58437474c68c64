"""The games at real size: prompts in plain language for any language model."""
