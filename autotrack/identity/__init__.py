"""What makes two arrays, tables, files or models the same: digests of their content."""
