"""What tests share: problems, children, strategies, and things that a user might have written."""
