"""What records tell: gates, reports and the files other tools open."""
