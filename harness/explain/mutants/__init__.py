"""The usual mistakes as small variants of the reference: to test the suite, and to name what went wrong."""
