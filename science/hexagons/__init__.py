"""What if attention tessellated hexagonally? Sparse attention tables trained side by side, and compared."""
