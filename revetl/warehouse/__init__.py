"""Where the models are read. The doors: ``dbt_project``, ``profiles``, ``connection`` and ``source``.

Nothing is imported here: reading a profile must not cost the import of a database.
"""
