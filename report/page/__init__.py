"""Pages that work offline: one HTML file each, everything inside, every word escaped."""
