"""The games in small: sequences of a few dozen tokens, and policies that learn them on two cores in seconds."""
