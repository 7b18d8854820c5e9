"""HTTP/1.1 in and out, TLS and sockets of the data plane. `contract` is the border; nothing else opens a socket."""
