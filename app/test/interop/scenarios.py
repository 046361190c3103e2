# SPDX-License-Identifier: BSD-3-Clause
"""What every mix of relays must be able to do. Each takes a settled World."""

from .net import until
from .peer import NATIVE


def complete(result):
    """All answers came back, byte-exact, from the right address; else an error that says what did not."""
    if result["lost"] or result["bad"]:
        raise AssertionError(f"{result['lost']} of {result['sent']} lost, {result['bad']} wrong; "
                             f"sizes lost: {result['lost_sizes']}")
    return f"{result['received']} datagrams"


async def discovery(world):
    """The originator lists each relay with exactly the flags it announces."""
    await world.settle()


async def one_hop(world):
    """A circuit of one hop to each relay, and a ping's worth of life on it."""
    for key in world.keys:
        circuit = await world.origin.build([key])
        await world.origin.destroy(circuit)


async def two_hops(world):
    for first, second in ((0, 1), (1, 2), (0, 2)):
        circuit = await world.origin.build([world.keys[first], world.keys[second]])
        await world.origin.destroy(circuit)


async def echo(world, circuit, step):
    """Datagrams of 2 to 1400 bytes to IPv4, IPv6 and a name, all answered byte-exact."""
    sizes = sorted({*range(2, 1401, step), 2, 3, 1399, 1400})
    total = 0
    for host in world.echo_hosts():
        # An exit queues only a few datagrams while its sockets open and a name resolves.
        complete(await world.origin.echo(circuit, host, world.echo_port, [2]))
        result = await world.origin.echo(circuit, host, world.echo_port, sizes)
        try:
            complete(result)
        except AssertionError as error:
            raise AssertionError(f"to {host}: {error}") from None
        total += result["received"]
    return f"{total} datagrams"


async def policy(world, circuit):
    """A one-byte datagram is nothing the standard policy lets out."""
    before = await world.echo_received()
    result = await world.origin.echo(circuit, world.echo_ip, world.echo_port, [1], timeout=0.5,
                                     any_shape=True)
    if result["received"] or await world.echo_received() != before:
        raise AssertionError("an exit with the standard policy let a one-byte datagram out")


async def speed_test(world, circuit):
    """Test-requests 19/20 of py-ipv8, and 21/22 where both ends speak them."""
    await world.origin.speed(circuit)
    note = "19/20"
    if world.origin.kind in NATIVE and world.relays[2].kind != "python":
        # It sends as fast as it can and counts answers only while it runs: on a busy machine the first may come too late.
        for milliseconds in (500, 2000, 5000):
            sent, received = await world.origin.speed_rust(circuit, milliseconds)
            if received:
                break
        else:
            raise AssertionError(f"none of {sent} test-requests (21) was answered")
        note += f", 21/22: {received} of {sent}"
    return note


async def destroy_by_originator(world, circuit):
    """The originator's destroy travels along the path: every table is empty after the grace period."""
    await world.origin.destroy(circuit)
    await world.empty()


async def destroy_by_relay(world, index):
    """A relay that shuts down sends destroys both ways: no neighbour keeps the circuit."""
    circuit = await world.origin.build(world.keys)
    rest = [relay for i, relay in enumerate(world.relays) if i != index]
    await world.relays[index].stop()

    async def gone():
        return not await world.origin.alive(circuit)

    await until(gone, 4.0, "the originator still thinks the circuit is ready")
    await world.empty(among=rest)


async def many_circuits(world, count=100):
    """Many circuits through the same relays at once; each carries its own data."""
    circuits = await world.origin.build_many(world.keys, count)
    if len(circuits) != count:
        raise AssertionError(f"{len(circuits)} of {count} circuits got ready")
    if world.origin.kind in NATIVE:
        return f"{count} circuits"
    for number, circuit in enumerate(circuits):
        complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [2 + number, 1400],
                                         first=2 * number))
    return f"{count} circuits, data on each"
