"""Does good seed give good harvest? Models trained on clean and on spoiled sets, beside n-grams."""
