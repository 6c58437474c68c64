"""Other libraries' doors to an environment: TRL, Gymnasium, verifiers. Each takes any ``Environment``."""
