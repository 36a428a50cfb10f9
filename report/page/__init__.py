"""Pages that work offline: each is one HTML file with everything inside and every word escaped."""
