"""Consul's check of KATO's stores, through the sidecar's upstreams: anything but exit code 0 takes the instance out."""

import socket
import urllib.request

urllib.request.urlopen("http://127.0.0.1:8123/ping", timeout=2).read()
with socket.create_connection(("127.0.0.1", 6379), timeout=2) as redis:
    redis.sendall(b"PING\r\n")
    if not redis.recv(1):
        raise SystemExit("redis closed the connection")
