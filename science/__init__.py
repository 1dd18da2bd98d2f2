"""What such a seed allows beyond ports: laws, experiments, history. Each room is a command and a page."""
