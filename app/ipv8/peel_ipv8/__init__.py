# SPDX-License-Identifier: BSD-3-Clause
"""Peel's data plane as the endpoint of py-ipv8's tunnels, in the place of the Rust one.

    import peel_ipv8
    peel_ipv8.install()          # before the first ipv8_rust_tunnels.Endpoint(...) is made

or, without touching the program, PEEL_IPV8=1 in its environment. `peel_ipv8.Endpoint` is the class for programs
that choose their endpoint themselves. Nothing is imported before it is needed.
"""


def install():
    """From now on ipv8_rust_tunnels.Endpoint uses Peel. Those that exist keep what they have."""
    from ipv8_rust_tunnels import _rust

    replace(_rust)


def replace(rust):
    """The same for the module ipv8_rust_tunnels._rust, wherever it was found."""
    from ._peel import _Endpoint

    rust._Endpoint = _Endpoint
    # endpoint.py catches it when it sends, but 0.1.53 has no such class: what it wants to log becomes an AttributeError.
    if not hasattr(rust, "RustError"):
        rust.RustError = type("RustError", (Exception,), {"__module__": rust.__name__})


def __getattr__(name):
    if name == "Endpoint":
        from .endpoint import Endpoint
        return Endpoint
    if name in ("_Endpoint", "__version__"):
        from . import _peel
        return getattr(_peel, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Endpoint", "install"]
