"""Use case: learn one drug's response from bulk samples."""
