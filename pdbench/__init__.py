"""pdbench: reproduce "Well-Read Students Learn Better" and judge new compression methods.

The rooms, in the order in which they may import one another, are ``study``, ``data``,
``models``, ``training``, ``methods``, ``results``, ``evidence``, ``artefacts`` and
``report``; ``files`` and ``errors`` stand below all of them.
"""

__version__ = "0.1.0"
