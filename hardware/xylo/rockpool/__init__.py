"""Rockpool and XyloSim: mapped graphs come in, and the simulator of the maker is the referee."""
