"""The one version number; CHANGELOG.md says what is in it."""

__version__ = "0.1.0"
