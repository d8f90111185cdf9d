"""The soak: a whole system for a while among servers of which many misbehave, with accidents; then everybody's ledgers
are compared. Not part of the test run: `make soak`."""
