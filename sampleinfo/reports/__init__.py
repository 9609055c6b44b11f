"""What runs say about questions of their owners: Run -> data frame."""
