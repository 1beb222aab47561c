"""Ways to tell people, one module a service. They come through the entry points."""
