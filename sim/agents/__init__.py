"""Rules of behaviour, one file a type, over all rows of the type at once."""
