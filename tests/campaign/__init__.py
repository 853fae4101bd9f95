"""Campaigns over generated systems and over generated mistakes: too long for every run, repeatable by seed."""
