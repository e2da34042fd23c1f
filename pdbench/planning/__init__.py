"""What a study costs before it runs: work counted, and priced on devices and disks."""
