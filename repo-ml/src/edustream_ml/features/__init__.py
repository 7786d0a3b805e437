"""From the contract's two tensors to the matrix that an estimator takes, and from what it estimates to the answer."""
