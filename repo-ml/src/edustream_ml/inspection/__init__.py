"""What can be measured of a fitted model besides its score: how sure, where, by what, and how each column moves it."""
