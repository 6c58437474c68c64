"""Which question is asked next."""
