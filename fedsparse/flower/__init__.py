"""The same federation out of one process, on Flower (https://flower.ai): the extra `flower`.

    terms.py        the run config: every setting of `Experiment`, and four of the network
    client_app.py   one client at its node: its own data, its own memory
    server_app.py   the server: `fedsparse.run`, with clients that are nodes
    nodes.py        those nodes, seen from the server: late, lost or hostile
    in_process.py   a grid in one process, for tests and notebooks
    processes.py    a simulation through `flwr run`, from start to end: python -m fedsparse flower simulate

Flower carries messages; what is in them, and what is made of them, is the rest of fedsparse.
"""
