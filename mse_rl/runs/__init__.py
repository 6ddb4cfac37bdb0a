"""The front of the house: training runs, policy bundles, grown children, reports."""
