"""Makes the datasets of the garden again, byte for byte. Not part of the wheel."""
