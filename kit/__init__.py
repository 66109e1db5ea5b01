"""Technical building blocks for all apps, without tenants, money or speech."""
