"""Credits: wallets, the ledger, plans and statements. It prices characters, not speech."""
