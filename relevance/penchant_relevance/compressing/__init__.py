"""Smaller models out of larger ones, and what each costs and saves: recipes, how they are made, how they compare."""
