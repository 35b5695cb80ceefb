"""Desired against snapshot → changes: set-based SQL, rendered here, run where the data is."""
