"""Two hosts on one machine: network namespaces with an address and a host name each, and a link of
some rate and delay between them. Root alone can make them. The kernel's netem delays what the link
carries; where there is none, a relay does: a process that passes on the packets of two TAP devices.
"""
import collections
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time

NAMES = ("fcnn-a", "fcnn-b")
ADDRESSES = ("10.77.0.1", "10.77.0.2")
NETWORK = "10.77.0.0/24"
RELAY_MTU = 9000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000

AGENT = """#!/bin/bash
# Starts a command on a host, as ssh would: HOST COMMAND...
while [[ $1 == -* ]]; do shift; done
name={names[1]}
if [[ $1 == {addresses[0]} ]]; then name={names[0]}; fi
shift
exec ip netns exec $name unshare --uts bash -c "hostname $name; $*"
"""


def call(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def on(host, *words):
    """The command that runs another one on a host."""
    name = NAMES[host]
    return ["ip", "netns", "exec", name, "unshare", "--uts", "bash", "-c",
            'hostname "$0"; exec "$@"', name, *words]


class Hosts:
    """Exists within a `with`. Rate in Mbit/s, delay in ms, each way."""

    def __init__(self, rate, delay):
        self.rate, self.delay, self.relay = rate, delay, None

    def __enter__(self):
        remove()
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.relay:
            self.relay.kill()
            self.relay.wait()
        remove()

    def make(self):
        for name in NAMES:
            call("ip", "netns", "add", name)
            call("ip", "-n", name, "link", "set", "lo", "up")
        call("ip", "link", "add", NAMES[0], "netns", NAMES[0], "type", "veth",
             "peer", "name", NAMES[1], "netns", NAMES[1])
        if not self.shape_by_netem():
            call("ip", "-n", NAMES[0], "link", "del", NAMES[0])
            self.start_relay()
        for name, address in zip(NAMES, ADDRESSES):
            call("ip", "-n", name, "address", "add", f"{address}/24", "dev", name)
            call("ip", "-n", name, "link", "set", name, "up")

    def shape_by_netem(self):
        for name in NAMES:
            words = ["delay", f"{self.delay}ms", "rate", f"{self.rate}mbit", "limit", "100000"]
            done = subprocess.run(["tc", "-n", name, "qdisc", "replace", "dev", name, "root",
                                   "netem", *words], capture_output=True, check=False)
            if done.returncode:
                return False
        return True

    def start_relay(self):
        self.relay = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(self.delay)],
                                      stdout=subprocess.PIPE)
        self.relay.stdout.readline()  # the devices are there
        for name in NAMES:
            call("ip", "link", "set", name, "mtu", str(RELAY_MTU), "netns", name)
            call("tc", "-n", name, "qdisc", "replace", "dev", name, "root", "tbf",
                 "rate", f"{self.rate}mbit", "burst", "64kb", "limit", "16mb")

    def how(self):
        return "tbf and a relay" if self.relay else "netem"


def remove():
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def write_agent(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(AGENT.format(names=NAMES, addresses=ADDRESSES))
    os.chmod(path, 0o755)


# ---- The relay ----


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def take_packets(tap, queue, delay):
    """Everything that a device has, each with the moment at which it is due."""
    due = time.monotonic() + delay
    try:
        while True:
            queue.append((due, os.read(tap, RELAY_MTU + 64)))
    except BlockingIOError:
        return


def give_packets(tap, queue):
    while queue and queue[0][0] <= time.monotonic():
        try:
            os.write(tap, queue.popleft()[1])
        except OSError:
            pass  # the other end is not up


def relay(delay):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))  # before those that compute
    taps = [open_tap(name) for name in NAMES]
    queues = [collections.deque(), collections.deque()]  # on the way from each
    print("ready", flush=True)
    while True:
        dues = [queue[0][0] for queue in queues if queue]
        wait = max(min(dues) - time.monotonic(), 0) if dues else None
        for tap in select.select(taps, [], [], wait)[0]:
            take_packets(tap, queues[taps.index(tap)], delay)
        for i, queue in enumerate(queues):
            give_packets(taps[1 - i], queue)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent ends it
    relay(float(sys.argv[1]) / 1000)
