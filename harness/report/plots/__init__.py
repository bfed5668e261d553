"""Plots: functions from frames to matplotlib figures in one style, and the way from there into a page."""
