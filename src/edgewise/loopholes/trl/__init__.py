"""The games at real size: training a language model on one with TRL."""
