# SPDX-License-Identifier: BSD-3-Clause
"""The stock tunnel overlay of py-ipv8 with the two local choices a test needs to make itself.

Nothing that goes over the wire is changed: the subclass says which of the candidates it was offered a
circuit is extended to, and hands arriving data to a callback. Both are local decisions in the protocol.
"""

from ipv8.messaging.anonymization import hidden_services
from ipv8.messaging.anonymization.hidden_services import HiddenTunnelCommunity
from ipv8.messaging.anonymization.tunnel import CIRCUIT_TYPE_DATA, DESTROY_REASON_UNNEEDED, Circuit

# PEX overlays know the bootstrap servers of the Internet only. Ours are told where to walk.
hidden_services.DISPERSY_BOOTSTRAPPER = {"init": {"ip_addresses": [], "dns_addresses": []}}


class SteeredTunnels(HiddenTunnelCommunity):
    """Builds circuits along given paths."""

    def __init__(self, settings):
        super().__init__(settings)
        self.on_circuit_data = {}

    def create_circuit_along(self, path):
        """Start a circuit whose hops are exactly these peers, in order."""
        circuit = Circuit(self._generate_circuit_id(), len(path), CIRCUIT_TYPE_DATA, path[-1])
        circuit.path = [peer.public_key.key_to_bin() for peer in path]
        self.circuits[circuit.circuit_id] = circuit
        self.send_initial_create(circuit, [path[0]], 1)
        return circuit

    def send_extend(self, circuit, candidates, max_tries):
        """Keep the wanted next hop only. If it is not among the candidates, the circuit fails at once."""
        path = getattr(circuit, "path", None)
        if path:
            wanted = path[len(circuit.hops)]
            if wanted not in candidates and len(circuit.hops) + 1 < len(path):
                self.remove_circuit(circuit.circuit_id, "the next hop is not among the candidates",
                                    destroy=DESTROY_REASON_UNNEEDED)
                return
            candidates = [wanted]
        super().send_extend(circuit, candidates, max_tries)

    def on_raw_data(self, circuit, origin, data):
        callback = self.on_circuit_data.get(circuit.circuit_id)
        if callback:
            callback(origin, data)


class DeafTunnels(SteeredTunnels):
    """A candidate that everybody lists and that never answers a create."""

    async def should_join_circuit(self, create_payload, previous_node_address):
        return False
