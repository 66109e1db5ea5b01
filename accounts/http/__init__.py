"""What the doors, the API and the pages, share of a request: who asks, limits, retries."""
