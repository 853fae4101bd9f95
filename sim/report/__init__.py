"""Figures: one visual language, drawn from plain arrays; the only package that knows matplotlib."""
