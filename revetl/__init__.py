"""revetl: make a dbt project into the data sync app that keeps other tools up to date with its models."""

__version__ = "0.1.0"
