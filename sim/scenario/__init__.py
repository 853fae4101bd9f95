"""From a scenario file to a checked scenario to a system: read strictly, check, override, build."""
