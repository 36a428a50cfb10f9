"""One YAML folder per axis; the file's name is the choice's name."""
