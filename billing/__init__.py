"""Credits: wallets and the ledger. It prices characters and never hears of speech."""
