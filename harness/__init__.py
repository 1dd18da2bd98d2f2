"""The harness: builds a port, runs it in a sandbox, asks it requests and judges its replies."""
