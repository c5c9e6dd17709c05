"""A seeded synthetic streaming service, and pages simulated over real events."""
