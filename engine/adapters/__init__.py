"""One module a family: the only home of its client library."""
