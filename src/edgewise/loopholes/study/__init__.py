"""Studies of the tiny games: emergence, transfer, distillation and unlearning, mitigations."""
