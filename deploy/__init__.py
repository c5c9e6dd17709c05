"""How GenPage is run beside its services: containers, or the same on a bare machine."""
