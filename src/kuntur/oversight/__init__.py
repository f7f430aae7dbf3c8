"""Who may do what (`policy`), and an account of it that cannot be changed unnoticed (`ledger`, `merkle`). Pure."""
