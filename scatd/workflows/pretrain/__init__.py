"""Use cases: pretrain a backbone, and distil one."""
