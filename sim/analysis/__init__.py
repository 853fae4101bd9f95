"""Questions about many runs: differences between scenarios, and what makes them."""
