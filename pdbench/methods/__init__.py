"""How models are made: pre-trained students, teachers, and students by every method.

A method that is an initialisation and a list of known stages needs no code: it is an entry
of ``config/methods.yaml``. One that needs an objective of its own gets a file here.
"""
