"""The features of customers, for training and for serving."""

import pandas as pd


def transform(customers: pd.DataFrame) -> pd.DataFrame:
    """Customers with what the model wants to know of them."""
    features = customers.copy()
    features["total_charges"] = pd.to_numeric(features["total_charges"]).fillna(0)
    features["charges_per_month"] = features["total_charges"] / features["tenure"].clip(lower=1)
    return features
