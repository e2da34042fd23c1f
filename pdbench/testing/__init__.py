"""What tests of methods need, here and elsewhere: a small study, a contract, templates.

The golden study, by which the engine's lock is renewed, is the same small study.
"""
