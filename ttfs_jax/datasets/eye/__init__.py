"""Recordings of eyes: simulated ones, SEE, and the clips made of them."""
