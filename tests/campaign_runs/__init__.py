"""Long tests of runs: each is a program with a seed and a budget; slices of them are in the suite."""
