"""pdbench: reproduce "Well-Read Students Learn Better" and judge new compression methods.

The rooms, each of which may import from those before it, are ``core``, ``study``, ``planning``,
``workflow``, ``data``, ``engine``, ``kinds``, ``methods``, ``jobs``, ``ops``, ``testing``,
``evidence``, ``artefacts``, ``report`` and ``cli``.
"""

__version__ = "0.1.0"
