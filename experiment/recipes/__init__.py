"""Recipes: how the components of each kind of model are wired into a pair (model, guide)."""
