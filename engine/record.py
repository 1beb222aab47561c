"""`dataclass`, under the name that modules of a later change import it by."""

from dataclasses import dataclass

__all__ = ["dataclass"]
