"""What the authors of destinations test with: a stepper for exchanges and the conformance suite.

Nothing here is imported by revetl itself.
"""
