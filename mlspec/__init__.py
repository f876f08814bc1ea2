"""Monitoring of machine-learning services, declared once in a YAML spec."""

__version__ = "0.1.0"
