"""The report: one HTML file with everything about a study that its records say."""
