"""What every room needs: errors with a remedy, files written whole, and words."""
