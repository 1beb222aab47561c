"""The engine that runs runbooks. Its layers are drawn in DESIGN section 13 and enforced by import-linter."""
