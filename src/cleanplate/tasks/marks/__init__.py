"""Marks that are known: learnt from the pictures that share one, or given as a file."""
