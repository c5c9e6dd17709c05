"""Checkpoints: from an announced bundle to the one that pages are made with.

Fetch, verify, load aside, gate, swap; and the way back. It knows neither HTTP nor Kafka.
"""
