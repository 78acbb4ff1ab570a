"""Pairs whose truth is known, drawn from a seed: the same generator state gives the same bytes."""
