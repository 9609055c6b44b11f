"""Speed and fidelity, measured: ``make bench``."""
