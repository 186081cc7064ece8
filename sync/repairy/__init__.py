"""The Partner API: contract (what it looks like), client (calls to it), webhook (whether a delivery is real)."""
