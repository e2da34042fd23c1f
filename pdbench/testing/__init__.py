"""What tests of methods need, here and in other packages: a small study, and a contract."""
