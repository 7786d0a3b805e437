"""The parts of `make bench-training`: what the producer costs beside the libraries that it is made of."""
