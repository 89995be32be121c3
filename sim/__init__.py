"""Windtunnel: the world that a bot lives in while it is tested."""

__version__ = "0.1.0"
