"""The kinds of tasks: how each is read, what stands on the encoder, its loss and its scores."""
