"""The literature's algorithms and the fixed-point driver they share with the channels."""
