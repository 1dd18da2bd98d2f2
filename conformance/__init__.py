"""The contract, the ladder of requests with golden traces, and the suite that judges a port."""
