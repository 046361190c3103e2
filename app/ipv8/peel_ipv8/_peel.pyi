"""What is in the extension; the methods are those of ipv8_rust_tunnels._rust._Endpoint."""

from ipv8_rust_tunnels._rust import _Endpoint as _RustEndpoint

__version__: str

class _Endpoint(_RustEndpoint): ...
