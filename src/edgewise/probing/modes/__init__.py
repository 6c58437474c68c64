"""From failures to failure modes."""
