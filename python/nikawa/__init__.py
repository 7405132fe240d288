"""The Python side of Nikawa: what runs around a user's script. `awsglue` is the public API."""
