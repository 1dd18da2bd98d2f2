"""Laws that hold for any right GPT and need no golden value: 14 flows, from text to samples."""
