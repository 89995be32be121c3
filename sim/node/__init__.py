"""A JSON-RPC server with its own view of the chain."""
