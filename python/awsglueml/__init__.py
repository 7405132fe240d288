"""Machine-learning transforms of Glue's runtime."""
