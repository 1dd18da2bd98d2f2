"""What a model of each dataset of the garden makes up, beside a 6-gram."""
