"""Networks: their layers, windows and codes; pure functions of parameters and an architecture."""
