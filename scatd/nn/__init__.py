"""Networks and losses. Tensors only: no AnnData, no files."""
