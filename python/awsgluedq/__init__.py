"""Data quality in jobs: the shape of the API."""
