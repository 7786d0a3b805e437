"""The search for hyper-parameters: within a budget of time, resumable, and by its seed always the same trials."""
