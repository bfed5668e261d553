"""Folds from the columns of a History to small pandas frames: what a plot draws and the table behind it says."""
