"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# The machines are noisy: a deadline would fail a property for a neighbour's load.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
