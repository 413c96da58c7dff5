"""The Xylo family of neuromorphic chips: integer core, limits, mappings, cycles and energy."""
