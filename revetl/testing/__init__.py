"""What others test with: authors of destinations a stepper for exchanges and the conformance suite, authors of dbt
projects :func:`revetl.testing.rehearsal.rehearse`.

Nothing here is imported by revetl itself.
"""
