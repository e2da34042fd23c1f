"""What a job of each kind does, and the record that it leaves."""
