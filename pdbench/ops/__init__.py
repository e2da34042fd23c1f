"""Around a run: how far a study is, what is missing, what to do again."""
