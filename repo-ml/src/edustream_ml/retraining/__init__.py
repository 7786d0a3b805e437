"""Trains on new data when a consumer says that it is asked other rows than its model was trained on."""
