# SPDX-License-Identifier: BSD-3-Clause
"""The endpoint for programs that choose it themselves: IPv8(configuration, endpoint_override=Endpoint(port, ip))."""

from ipv8_rust_tunnels import _rust
from ipv8_rust_tunnels.endpoint import Endpoint as RustEndpoint

from . import replace


class Endpoint(RustEndpoint):
    """The same class with Peel inside. Endpoints of other classes in this process stay what they are."""

    def __init__(self, port=0, ip="0.0.0.0", worker_threads=4):
        native = _rust._Endpoint
        replace(_rust)
        try:
            super().__init__(port, ip, worker_threads)
        finally:
            _rust._Endpoint = native
