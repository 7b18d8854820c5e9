"""Wire formats, pure: bytes and values in, bytes and values out. `registry.DIALECTS` lists them."""
