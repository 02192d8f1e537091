"""What several chapters need and readers do not: claim boxes and questions."""
