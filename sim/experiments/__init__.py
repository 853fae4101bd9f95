"""Many runs of one scenario: played in blocks of draws, kept in parts, summarised with intervals."""
