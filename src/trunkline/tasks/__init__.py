"""What a request is about, offline: evidence in order, a small linear model over hashed n-grams, own labels. Pure."""
