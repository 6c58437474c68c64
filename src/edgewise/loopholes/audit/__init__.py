"""What an environment will teach besides what it is meant to: found before training."""
