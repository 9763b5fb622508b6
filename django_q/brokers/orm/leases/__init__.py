"""Leases of rows: their receipts, and what is kept beside a payload until its task ends."""
