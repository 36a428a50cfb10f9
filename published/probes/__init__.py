"""Measurements that are no quantity of an evaluated run: a module each, with `measure(place)`."""
