"""Around a run: how far it is, what is missing, what to do again, how fast a device is."""
