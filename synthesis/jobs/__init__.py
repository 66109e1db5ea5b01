"""Rules of jobs: quote, submit, cancel, retry. The API, pages and admin call them."""
