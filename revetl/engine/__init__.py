"""Where the rooms are joined: files and options in, surveys, stages and feeds out. ``run.py`` tells the flow."""
