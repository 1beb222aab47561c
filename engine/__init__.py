"""The engine that runs runbooks. Its layers are in pyproject.toml, kept by import-linter."""
