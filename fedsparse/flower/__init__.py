"""The same federation on Flower (https://flower.ai), on machines of their own: the extra `flower`.

    run_config.py   the run config: every setting of `Experiment`, and four that only a network needs
    client_app.py   one client at its node, with its own data and its own memory
    server_app.py   the server: `fedsparse.run`, with nodes as its clients
    nodes.py        those nodes, seen from the server: late, lost or hostile
    superlink.py    a SuperLink of our own, for a simulation: python -m fedsparse flower simulate
    testing/        a grid in one process, and faults, for tests and notebooks

Flower carries messages; their content is made and read by the rest of fedsparse.
"""
